{# Whether the outcome of an attempt means that the outbox has the file's bytes (R24). #}
{% macro is_delivered(outcome) -%}
    {{ outcome }} in ('{{ var('delivered_outcomes') | join("', '") }}')
{%- endmacro %}

{# Whether the receiver may have the file. People ask; only `republish` sends it again (R24). #}
{% macro is_left_to_people(outcome) -%}
    {{ outcome }} in ('{{ var('left_to_people_outcomes') | join("', '") }}')
{%- endmacro %}
