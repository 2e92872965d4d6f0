{# Count the weekdays (Monday to Friday) from 1900-01-01, a Monday, to a date. #}
{% macro weekdays_through(date) -%}
    {%- set days = days_since_1900(date) -%}
    5 * cast(floor({{ days }} / 7) as integer) + least(mod({{ days }}, 7) + 1, 5)
{%- endmacro %}

{# Whether a date is a weekday. #}
{% macro is_weekday(date) -%} mod({{ days_since_1900(date) }}, 7) < 5 {%- endmacro %}

{% macro days_since_1900(date) -%}
    {{ dbt.datediff("cast('1900-01-01' as date)", date, 'day') }}
{%- endmacro %}
