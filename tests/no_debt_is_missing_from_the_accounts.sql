-- Assumes that `customer_accounts` says who owes what: its counts and sums are those of the debt
-- base, for each organization that has a contract. A build derives only the accounts that its load
-- can have changed, so this is also what tells that one stayed behind.
-- A row here means that an analyst who asks it counts a debt twice, not at all, or as it was.
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
        debts.status,
        count(*) as debt_count,
        sum(case when debts.currency = organizations.currency then debts.amount else 0 end)
            as amount,
        min(debts.due_date) as oldest_due_date
    from debts
    inner join organizations on debts.organization_id = organizations.organization_id
    where debts.is_in_base
    group by
        debts.organization_id,
        debts.status
),

accounted as (
    select
        organization_id,
        'pending' as status,
        sum(pending_count) as debt_count,
        sum(pending_amount) as amount,
        min(oldest_due_date) as oldest_due_date
    from accounts
    group by organization_id
    union all
    select
        organization_id,
        'in_process' as status,
        sum(in_process_count) as debt_count,
        sum(in_process_amount) as amount,
        cast(null as date) as oldest_due_date
    from accounts
    group by organization_id
),

differing as (
    select
        coalesce(owed.organization_id, accounted.organization_id) as organization_id,
        coalesce(owed.status, accounted.status) as status,
        owed.debt_count,
        accounted.debt_count as accounted_count,
        owed.amount,
        accounted.amount as accounted_amount
    from owed
    full outer join accounted
        on
            owed.organization_id = accounted.organization_id
            and owed.status = accounted.status
    where
        coalesce(owed.debt_count, 0) <> coalesce(accounted.debt_count, 0)
        or coalesce(owed.amount, 0) <> coalesce(accounted.amount, 0)
        or (
            accounted.status = 'pending'
            and owed.oldest_due_date is distinct from accounted.oldest_due_date
        )
)

select * from differing
