-- The largest debts that a held file would withdraw, as it was compared with the base (R17).
-- Written once, with the verdict; not all: an empty file would withdraw the whole base.
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with judged as (
    select * from {{ ref('int_intake_files__judged') }}
    where verdict = 'held'
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    where is_current
),

compared as (
    select * from {{ ref('int_debts__compared') }}
    where change = 'withdrawn'
),

ranked as (
    select
        judged.file_id,
        judged.load_id,
        compared.organization_id,
        compared.debt_id,
        compared.customer_id,
        compared.product_id,
        compared.due_date,
        compared.amount,
        compared.currency,
        cast(
            row_number() over (
                partition by compared.file_id
                order by compared.amount desc nulls last, compared.debt_id asc
            ) as bigint
        ) as withdrawal_rank
    from compared
    inner join judged on compared.file_id = judged.file_id
    inner join loads on judged.load_id = loads.load_id
),

largest as (
    select * from ranked
    where withdrawal_rank <= {{ var('most_withdrawals_listed') }}
),

held as (
    select * from largest
    {{ only_new_verdicts('largest', 'load_id') }}
)

select * from held
