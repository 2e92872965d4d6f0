{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- A folder's schema is used as written: marts are in main, staging views in staging. -#}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
