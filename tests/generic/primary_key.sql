{#
    Fails for each value of the column, or of the columns together, that stands in more than one row,
    and for each that is missing.

    column_name: the name of the column, or
    columns: the names of the columns.
    changed: the relation of the rows that the newest load changed, if only these can have a double: all
        rows are looked at after a full refresh, and with `tests_every_row`.
    by: the column in which a row is equal to its double.
#}
{% test primary_key(model, column_name=none, columns=none, changed=none, by=none) %}
{%- set columns = columns or [column_name] -%}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
{%- if changed and not var('tests_every_row') and not should_full_refresh() %}
where {{ by }} in (select {{ by }} from {{ changed }})
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
