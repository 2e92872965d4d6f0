{#
    What a snapshot does before it looks at the rows that the newest load changed: the versions of
    them that a former attempt at this load wrote are deleted, and those that it ended go on. A
    build that is mended and run again then writes what one that never failed writes (R10, R29).

    changed: the relation that the snapshot reads; its updated_at is the instant of the load.
#}
{% macro delete_versions_of_former_attempt(changed, key) -%}
    {%- if execute and load_relation(this) is not none -%}
    delete from {{ this }}
    where
        dbt_valid_from = (select max(updated_at) from {{ changed }})
        and {{ key }} in (select {{ key }} from {{ changed }})
    {%- endif -%}
{%- endmacro %}

{% macro reopen_versions_of_former_attempt(changed, key) -%}
    {%- if execute and load_relation(this) is not none -%}
    update {{ this }}
    set dbt_valid_to = null
    where
        dbt_valid_to = (select max(updated_at) from {{ changed }})
        and {{ key }} in (select {{ key }} from {{ changed }})
    {%- endif -%}
{%- endmacro %}

{#
    Whether a debt is in another state than it was: what makes a version of its history. The same
    columns are the check_cols of debts_history.
#}
{% macro is_another_state(debt, former) -%}
    {%- set columns = [
        'status', 'file_status', 'amount', 'currency', 'attributes', 'payment_id', 'paid_because'
    ] -%}
    (
        {%- for column in columns %}
        {{ debt }}.{{ column }} is distinct from {{ former }}.{{ column }}
        {{- " or" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
