-- Assumes that `customer_accounts` says who owes: its counts are those of the debt base, for each
-- organization that has a contract.
-- A row here means that an analyst who asks it counts a debt twice or not at all.
{{ config(meta={'dagster': {'ref': {'name': 'customer_accounts'}}}) }}

with debts as (
    select * from {{ ref('debts') }}
),

accounts as (
    select * from {{ ref('customer_accounts') }}
),

organizations as (
    select * from {{ ref('organization_contracts') }}
),

owed as (
    select
        debts.organization_id,
        count(*) as debt_count
    from debts
    inner join organizations on debts.organization_id = organizations.organization_id
    where debts.is_in_base
    group by debts.organization_id
),

told as (
    select
        organization_id,
        sum(pending_count + in_process_count) as debt_count
    from accounts
    group by organization_id
),

differing as (
    select
        owed.debt_count,
        told.debt_count as told_count,
        coalesce(owed.organization_id, told.organization_id) as organization_id
    from owed
    full outer join told on owed.organization_id = told.organization_id
    where coalesce(owed.debt_count, 0) <> coalesce(told.debt_count, 0)
)

select * from differing
