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
    As in dbt, but of the open versions only those of what the snapshot reads: dbt's query reads them
    twice, so DuckDB would keep those of all debts in memory. A snapshot that ends the versions of what
    it does not read needs all of them.
#}
{% macro duckdb__snapshot_staging_table(strategy, source_sql, target_relation) -%}
    {%- set versions = target_relation -%}
    {%- if strategy.hard_deletes == 'ignore' and strategy.unique_key is string -%}
        {%- set versions -%}
            (
                select *
                from {{ target_relation }}
                where {{ strategy.unique_key }} in (
                    select {{ strategy.unique_key }} from ({{ source_sql }}) as changed
                )
            )
        {%- endset -%}
    {%- endif -%}
    {{ return(dbt.default__snapshot_staging_table(strategy, source_sql, versions)) }}
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
