{#
    Whether a file comes before another of its organization (R8): by business date, then by the load
    that received it.
#}
{% macro is_earlier(former, latter, load_id) -%}
    (
        {{ former }}.business_date < {{ latter }}.business_date
        or (
            {{ former }}.business_date = {{ latter }}.business_date
            and {{ former }}.{{ load_id }} < {{ latter }}.{{ load_id }}
        )
    )
{%- endmacro %}
