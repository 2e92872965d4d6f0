{#
    Create the function that returns the debts at a past instant, in the warehouse and its
    published copy: `select * from debts_as_of('2026-03-03 12:00:00')`. An instant without an
    offset is UTC, whatever the time zone of the session (R10).
#}
{% macro create_debts_as_of_function() -%}
    {{ return(adapter.dispatch('create_debts_as_of_function', 'saldo')()) }}
{%- endmacro %}

{% macro default__create_debts_as_of_function() -%} {%- endmacro %}

{% macro duckdb__create_debts_as_of_function() -%}
    create or replace macro {{ this.database }}.{{ this.schema }}.debts_as_of(instant) as table
    with asked as (
        select
            case
                when regexp_matches(cast(instant as varchar), ':.*([+-][0-9:]+|Z)$')
                    then timezone('UTC', cast(cast(instant as varchar) as timestamptz))
                else cast(cast(instant as varchar) as timestamp)
            end as asked_at
    )

    select history.* exclude (dbt_scd_id, dbt_updated_at, dbt_valid_from, dbt_valid_to)
    from debts_history as history
    cross join asked
    where
        history.dbt_valid_from <= asked.asked_at
        and (history.dbt_valid_to is null or history.dbt_valid_to > asked.asked_at)
{%- endmacro %}
