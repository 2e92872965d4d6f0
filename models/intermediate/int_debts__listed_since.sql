-- The debts that a late file must not change: a newer applied file lists them with a valid row
-- (R8).
with screened as (
    select * from {{ ref('int_intake_files__screened') }}
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

verdicts as (
    select * from {{ ref('stg_verdicts__files') }}
),

listed_since as (
    select distinct
        screened.file_id,
        invoices.debt_id
    from screened
    inner join files
        on
            screened.organization_id = files.organization_id
            and {{ is_earlier('screened', 'files', 'load_id') }}
    inner join verdicts
        on
            files.file_id = verdicts.file_id
            and verdicts.verdict = 'applied'
            and screened.judging_load_id > verdicts.load_id
    inner join invoices
        on
            files.load_id = invoices.load_id
            and files.file_id = invoices.file_id
    where
        screened.kind = 'invoices'
        and screened.screening in ('candidate', 'held')
        and screened.is_late
        and invoices.rejection_code is null
)

select * from listed_since
