-- Assumes R6: a debt with an authorized payment, or one that its organization calls paid, is paid
-- and not in the base. A row here means that a customer could be charged twice.
{{ config(meta={'dagster': {'ref': {'name': 'debts'}}}) }}

with debts as (
    select * from {{ ref('debts') }}
),

payments as (
    select * from {{ ref('payments') }}
),

organization_payments as (
    select * from {{ ref('int_organization_payments__counted') }}
),

settled as (
    select debt_id
    from payments
    where status = 'authorized'
    union distinct
    select debt_id
    from organization_payments
    where is_counted
),

chargeable as (
    select
        debts.debt_id,
        debts.status,
        debts.is_in_base
    from debts
    left join settled on debts.debt_id = settled.debt_id
    where
        (
            debts.status = 'paid'
            or debts.file_status = 'paid'
            or settled.debt_id is not null
        )
        and (debts.is_in_base or debts.status <> 'paid')
)

select * from chargeable
