-- Assumes R10: at any instant a debt has at most one version, and each version lasts.
-- A row here means that the base of a past day counts a debt twice, so that sums told to an
-- organization or an auditor would be too high.
{{ config(meta={'dagster': {'ref': {'name': 'debts_history'}}}) }}

with versions as (
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

overlapping as (
    select *
    from followed
    where
        dbt_valid_to <= dbt_valid_from
        or (dbt_valid_to is null and next_valid_from is not null)
        or dbt_valid_to > next_valid_from
)

select * from overlapping
