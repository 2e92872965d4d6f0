-- Assumes R4: a known debt with a payment in process is in the base, whatever any file says.
-- A row here means that a customer's payment is under way for a debt that Saldo no longer carries:
-- it could be charged again elsewhere, or the money would come in for nothing.
{{ config(meta={'dagster': {'ref': {'name': 'debts'}}}) }}

with debts as (
    select * from {{ ref('debts') }}
),

payments as (
    select * from {{ ref('payments') }}
),

held_by_a_payment as (
    select distinct debt_id
    from payments
    where status = 'in_process'
),

outside as (
    select
        debts.debt_id,
        debts.status,
        debts.is_in_base
    from debts
    left join held_by_a_payment on debts.debt_id = held_by_a_payment.debt_id
    where
        (
            debts.status = 'in_process'
            or (held_by_a_payment.debt_id is not null and debts.status <> 'paid')
        )
        and (not debts.is_in_base or debts.status <> 'in_process')
)

select * from outside
