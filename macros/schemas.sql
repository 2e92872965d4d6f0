{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- A folder's schema is used as it is written: marts live in main, staging views in staging. -#}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
