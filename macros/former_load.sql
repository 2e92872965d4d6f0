{#
    Select the columns of one of our tables as the previous load left it. During the first load of
    a warehouse, the table does not exist yet: return the same columns and no rows.

    relation: the result of source(). columns: pairs of name and type.
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
