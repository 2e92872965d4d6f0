-- Each version of the debts that have payments, of processors or in the organizations' own files,
-- with the values of the previous version.
{{ config(materialized='table') }}

with history as (
    select * from {{ ref('debts_history') }}
),

payment_versions as (
    select * from {{ ref('int_payments__versioned') }}
),

own_versions as (
    select * from {{ ref('int_organization_payments__versioned') }}
),

paid_for as (
    select debt_id
    from payment_versions
    union distinct
    select debt_id
    from own_versions
),

versioned as (
    select
        history.debt_id,
        history.status,
        history.file_status,
        history.amount,
        history.currency,
        history.payment_id,
        history.organization_id,
        history.version_file_id,
        history.dbt_valid_from as valid_from,
        history.dbt_valid_to as valid_to,
        lag(history.status) over debt_order as former_status,
        lag(history.file_status) over debt_order as former_file_status,
        lag(history.amount) over debt_order as former_amount,
        lag(history.currency) over debt_order as former_currency,
        lag(history.payment_id) over debt_order as former_payment_id
    from history
    inner join paid_for on history.debt_id = paid_for.debt_id
    window debt_order as (partition by history.debt_id order by history.dbt_valid_from)
)

select * from versioned
