{#
    Fails for each combination of values of the columns that stands in more than one row.

    columns: the names of the columns that are unique together.
    changed: the relation of the rows that the newest load changed, if only these can have a double: all
        rows are looked at after a full refresh, and with `tests_every_row`.
    by: the column in which a row is equal to its double.
#}
{% test unique_combination_of_columns(model, columns, changed=none, by=none) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
{%- if changed and not var('tests_every_row') and not should_full_refresh() %}
where {{ by }} in (select {{ by }} from {{ changed }})
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
