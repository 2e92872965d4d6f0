-- Assumes that a load brings at most one debts file of an organization, or one decision on one.
-- A row here means that two files were compared with the same base: what the one withdraws the
-- other may bring back, and whether a debt is charged would be chance.
{{ config(meta={'dagster': {'ref': {'name': 'int_intake_files__screened'}}}) }}

with screened as (
    select * from {{ ref('int_intake_files__screened') }}
),

crowded as (
    select
        judging_load_id,
        organization_id,
        count(*) as file_count
    from screened
    where
        kind = 'invoices'
        and screening in ('candidate', 'held')
    group by judging_load_id, organization_id
    having count(*) > 1
)

select * from crowded
