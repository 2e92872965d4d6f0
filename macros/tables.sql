{#
    Create a table anew in one transaction: it is dropped and made under its own name. dbt's default
    makes it under another name, renames both and drops the old one after that, and looks for indexes,
    grants and foreign keys, which no table has: twice as many statements. A build that is killed
    leaves the former table, and none of another name.
#}
{% materialization table, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        {%- if existing is not none %}
        drop {{ existing.type }} {{ existing }};
        {%- endif %}
        {{ create_table_as(False, target, compiled_code) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
