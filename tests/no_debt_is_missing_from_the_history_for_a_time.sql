-- Assumes R10: from the load that made it known a debt has a version at every instant, the last
-- one open, for a known debt never goes away (it is withdrawn). Gaps are looked for among the debts
-- that the newest load changed: the versions of the others were tested when they were written. Of
-- all debts the open versions are counted, by status.
-- A row here means that the base of a past day lacks a debt: nobody could show why it was charged.
{{ config(meta={'dagster': {'ref': {'name': 'debts_history'}}}) }}

with debts as (
    select * from {{ ref('debts') }}
),

changed as (
    select * from {{ ref('debts') if var('tests_every_row') else ref('int_debts__changed') }}
),

versions as (
    select * from {{ ref('debts_history') }}
),

known as (
    select
        status,
        count(*) as debt_count
    from debts
    group by status
),

open_versions as (
    select
        status,
        count(*) as debt_count
    from versions
    where dbt_valid_to is null
    group by status
),

followed as (
    select
        versions.debt_id,
        versions.dbt_valid_to,
        lead(versions.dbt_valid_from) over (
            partition by versions.debt_id
            order by versions.dbt_valid_from, versions.dbt_valid_to nulls last
        ) as next_valid_from
    from versions
    inner join changed on versions.debt_id = changed.debt_id
),

missing as (
    select
        debt_id,
        dbt_valid_to as missing_from,
        next_valid_from as missing_to
    from followed
    where
        (dbt_valid_to is not null and next_valid_from is null)
        or dbt_valid_to < next_valid_from
    union all
    select
        null as debt_id,
        null as missing_from,
        null as missing_to
    from known
    full outer join open_versions on known.status = open_versions.status
    where known.debt_count is distinct from open_versions.debt_count
)

select * from missing
