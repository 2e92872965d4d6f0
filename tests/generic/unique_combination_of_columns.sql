{#
    Fails for each combination of values of the columns that stands in more than one row.

    columns: the names of the columns that are unique together.
#}
{% test unique_combination_of_columns(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
