with withdrawals as (
    select * from {{ ref('int_withdrawals__held') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
    where verdict = 'held'
),

held as (
    select
        withdrawals.file_id,
        withdrawals.organization_id,
        withdrawals.debt_id,
        withdrawals.customer_id,
        withdrawals.product_id,
        withdrawals.due_date,
        withdrawals.amount,
        withdrawals.currency,
        withdrawals.withdrawal_rank
    from withdrawals
    inner join standing
        on
            withdrawals.file_id = standing.file_id
            and withdrawals.load_id = standing.load_id
)

select * from held
