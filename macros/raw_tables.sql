{#
    Makes the tables of schema `raw` that are missing, of the columns that the source describes. So
    dbt alone builds a warehouse of no rows, and nothing happens to one in use. Python makes the same
    tables of the same file (orchestration/installation/project_yaml.py).
#}
{% macro create_raw_tables() -%}
    {%- if execute -%}
        {%- set tables = graph.sources.values() | selectattr('source_name', 'eq', 'raw') | list -%}
        {%- set statements = ['create schema if not exists ' ~ tables[0].schema] -%}
        {%- for table in tables -%}
            {%- do statements.append(create_raw_table(table)) -%}
        {%- endfor -%}
        {{ statements | join(';\n') }}
    {%- endif -%}
{%- endmacro %}

{% macro create_raw_table(table) -%}
    create table if not exists {{ table.schema }}.{{ table.identifier }} (
        {%- for column in table.columns.values() %}
        {{ column.name }} {{ column.data_type }}
        {%- for constraint in column.constraints %} {{ constraint.type | replace('_', ' ') }}
        {%- endfor %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
