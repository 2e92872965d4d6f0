{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- A folder's schema is used as written: marts are in main, staging views in staging. -#}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{% macro generate_database_name(custom_database_name, node) -%}
    {#- Tables that are published are in a file of their own, which is copied as it is (R28). -#}
    {%- if
        target.type == 'duckdb'
        and node.config.meta.published
        and node.config.materialized != 'view'
    -%}
        {{ return('marts') }}
    {%- endif -%}
    {{ return(adapter.dispatch('generate_database_name', 'dbt')(custom_database_name, node)) }}
{%- endmacro %}
