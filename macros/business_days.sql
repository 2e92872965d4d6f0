{# Count the weekdays (Monday to Friday) from 1900-01-01, a Monday, to a date. #}
{% macro weekdays_through(date) -%}
    {%- set days = dbt.datediff("cast('1900-01-01' as date)", date, 'day') -%}
    5 * cast(floor({{ days }} / 7) as integer) + least(mod({{ days }}, 7) + 1, 5)
{%- endmacro %}
