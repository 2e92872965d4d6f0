-- Assumes R10: at any instant a debt has at most one version, and each version lasts. Looked for
-- among the debts that the newest load changed: the versions of the others were tested when they
-- were written.
-- A row here means that the base of a past day counts a debt twice, so that sums told to an
-- organization or an auditor would be too high.
{{ config(meta={'dagster': {'ref': {'name': 'debts_history'}}}) }}

with changed as (
    select * from {{ ref('debts') if var('tests_every_row') else ref('int_debts__changed') }}
),

versions as (
    select * from {{ ref('debts_history') }}
),

followed as (
    select
        versions.debt_id,
        versions.dbt_valid_from,
        versions.dbt_valid_to,
        lead(versions.dbt_valid_from) over (
            partition by versions.debt_id
            order by versions.dbt_valid_from, versions.dbt_valid_to nulls last
        ) as next_valid_from
    from versions
    inner join changed on versions.debt_id = changed.debt_id
),

overlapping as (
    select *
    from followed
    where
        dbt_valid_to <= dbt_valid_from
        or (dbt_valid_to is null and next_valid_from is not null)
        or dbt_valid_to > next_valid_from
)

select * from overlapping
