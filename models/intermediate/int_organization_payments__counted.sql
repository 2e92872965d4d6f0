-- The debts that the organizations' own payments files call paid (R6). The newest applied
-- version of a file name counts: a correction takes the place of what it corrects. Whatever else
-- is wrong with a row, a debt that it names is called paid: it must not be charged.
with organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

applied as (
    select
        files.file_id,
        files.load_id,
        max(files.load_id) over (
            partition by files.organization_id, files.file_name
        ) as newest_load_id
    from files
    inner join standing on files.file_id = standing.file_id
    where
        files.kind = 'payments'
        and standing.verdict = 'applied'
),

counted as (
    select
        organization_payments.debt_id,
        max(applied.newest_load_id) as newest_load_id,
        max(
            case when applied.load_id = applied.newest_load_id then 1 else 0 end
        ) = 1 as is_counted
    from organization_payments
    inner join applied
        on
            organization_payments.load_id = applied.load_id
            and organization_payments.file_id = applied.file_id
    where organization_payments.debt_id is not null
    group by organization_payments.debt_id
)

select * from counted
