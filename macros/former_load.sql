{#
    The columns of a table of ours as the former load left it; in a warehouse whose first load is
    under way, where the table is still to be built, the same columns and no rows.

    relation: what source() gave. columns: pairs of name and type.
#}
{% macro select_from_former_load(relation, columns) -%}
    {%- set existing = load_relation(relation) if execute else none -%}
    {%- if existing is none -%}
    select
        {%- for name, type in columns %}
        cast(null as {{ type }}) as {{ name }} {{- ',' if not loop.last }}
        {%- endfor %}
    where 1 = 0
    {%- else -%}
    select
        {%- for name, type in columns %}
        {{ name }} {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    {%- endif -%}
{%- endmacro %}
