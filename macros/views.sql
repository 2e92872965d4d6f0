{# A view takes one statement: dbt's usual way builds it beside, renames both and drops the former, for
   engines that cannot replace a view. Four statements for each view took a fiftieth of a small day. #}

{% materialization view, adapter='duckdb' %}
    {%- set relations = create_or_replace_view() -%}
    {%- do adapter.commit() -%}
    {{ return(relations) }}
{% endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
