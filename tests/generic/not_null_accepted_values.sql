{#
    Fails for each value of the column that is not one of these, and where there is none.

    values: the texts that it may have.
#}
{% test not_null_accepted_values(model, column_name, values) %}
select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
where {{ column_name }} is null or {{ column_name }} not in ('{{ values | join("', '") }}')
group by {{ column_name }}
{% endtest %}
