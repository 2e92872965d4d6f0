-- Assumes R2: the valid rows of an organization's newest applied replace file are in the base,
-- paid or void, never withdrawn.
-- A row here means that a debt which its organization asks for is not charged: money is lost.
{{ config(meta={'dagster': {'ref': {'name': 'debts'}}}) }}

with debts as (
    select * from {{ ref('debts') }}
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

hashed as (
    select * from {{ ref('int_debts__hashed') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

ordered as (
    select
        file_id,
        load_id,
        row_number() over (
            partition by organization_id
            order by business_date desc, load_id desc
        ) as newness
    from files
    where
        kind = 'invoices'
        and update_mode = 'replace'
        and status = 'applied'
),

withdrawn as (
    select
        debts.debt_id,
        ordered.file_id,
        invoices.line_number
    from invoices
    inner join ordered
        on
            invoices.load_id = ordered.load_id
            and invoices.file_id = ordered.file_id
            and ordered.newness = 1
    inner join debts on invoices.debt_id = debts.debt_id
    where
        invoices.rejection_code is null
        and debts.status = 'withdrawn'
    union all
    -- by its hash a debt is taken for listed, and without one for not to be left out
    select
        debts.debt_id,
        debts.version_file_id as file_id,
        debts.version_line_number as line_number
    from debts
    left join hashed on debts.debt_id = hashed.debt_id
    where
        (hashed.debt_id is not null and debts.file_status <> 'listed')
        or (hashed.debt_id is null and debts.file_status = 'listed')
)

select * from withdrawn
