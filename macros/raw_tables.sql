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
        {{ run_in_order(statements) }}
    {%- endif -%}
{%- endmacro %}

{% macro create_raw_table(table) -%}
    {{ return(adapter.dispatch('create_raw_table', 'saldo')(table)) }}
{%- endmacro %}

{# An engine that does not enforce constraints has none. #}
{% macro default__create_raw_table(table) -%}
    create table if not exists {{ table.schema }}.{{ table.identifier }} (
        {%- for column in table.columns.values() %}
        {{ column.name }} {{ column.data_type }} {{- ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro duckdb__create_raw_table(table) -%}
    create table if not exists {{ table.schema }}.{{ table.identifier }} (
        {%- for column in table.columns.values() %}
        {{ column.name }} {{ column.data_type }}
        {%- for constraint in column.constraints %} {{ constraint.type | replace('_', ' ') }}
        {%- endfor %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro run_in_order(statements) -%}
    {{ return(adapter.dispatch('run_in_order', 'saldo')(statements)) }}
{%- endmacro %}

{% macro default__run_in_order(statements) -%}
    {%- for statement in statements -%}
        {%- do run_query(statement) -%}
    {%- endfor -%}
{%- endmacro %}

{# Several statements at once, within the transaction of the hook. #}
{% macro duckdb__run_in_order(statements) -%} {{ return(statements | join(';\n')) }} {%- endmacro %}
