{#
    Prepare a snapshot before it reads the rows that the newest load changed: delete the versions
    that a previous attempt at this load wrote, and reopen the versions that it ended. A build that
    is fixed and run again then writes the same rows as one that never failed (R10, R29).

    changed: the relation that the snapshot reads; its updated_at is the time of the load.
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
    Whether the state of a debt has changed, which makes a new version in its history. The same
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
