{#
    Fails for each value of the column, or of the columns together, that stands in more than one row,
    and for each that is missing.

    column_name: the name of the column, or
    columns: the names of the columns.
#}
{% test primary_key(model, column_name=none, columns=none) %}
{%- set columns = columns or [column_name] -%}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
