-- Assumes R10: from the load that made it known a debt has a version at every instant, the last
-- one open, for a known debt never goes away (it is withdrawn).
-- A row here means that the base of a past day lacks a debt: nobody could show why it was charged.
{{ config(meta={'dagster': {'ref': {'name': 'debts_history'}}}) }}

with debts as (
    select * from {{ ref('debts') }}
),

versions as (
    select * from {{ ref('debts_history') }}
),

followed as (
    select
        debt_id,
        dbt_valid_from,
        dbt_valid_to,
        lead(dbt_valid_from) over (
            partition by debt_id
            order by dbt_valid_from, dbt_valid_to nulls last
        ) as next_valid_from
    from versions
),

missing as (
    select
        debts.debt_id,
        followed.dbt_valid_to as missing_from,
        followed.next_valid_from as missing_to
    from debts
    left join followed on debts.debt_id = followed.debt_id
    where
        followed.debt_id is null
        or (followed.dbt_valid_to is not null and followed.next_valid_from is null)
        or followed.dbt_valid_to < followed.next_valid_from
)

select * from missing
