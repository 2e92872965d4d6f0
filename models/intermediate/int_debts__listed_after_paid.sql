-- The rows of applied files that list a debt as owed after a payment had paid it (R6, R25). A
-- build finds them among the rows that it read and the debts that are listed by the same row (R32).
{{ config(materialized='incremental', incremental_strategy='append') }}
{{ require_all_rows_in_a_full_refresh() }}

with invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

hashed as (
    select * from {{ ref('stg_hashes__debts') }}
),

recognized_files as (
    select * from {{ ref('int_intake_files__read') }}
    where is_recognized
),

unlisted as (
    select * from {{ ref('int_invoices__recognized') }}
    where part = 'debt'
),

texts as (
    select * from {{ ref('stg_intake__invoice_texts') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

paid_versions as (
    select * from {{ ref('debts_history') }}
    where status = 'paid'
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

paid as (
    select distinct debt_id
    from paid_versions
    where file_status = 'listed'
),

paid_before as (
    select
        recognized_files.load_id,
        recognized_files.file_id,
        recognized_files.update_mode,
        hashed.debt_id,
        hashed.row_hash
    from hashed
    inner join paid on hashed.debt_id = paid.debt_id
    inner join recognized_files on hashed.organization_id = recognized_files.organization_id
),

-- The paid debts that a file lists by the same row as before. A replace file lists all but those
-- that it is known to leave out; of an upsert file the rows are looked up.
listed_again as (
    select
        paid_before.load_id,
        paid_before.file_id,
        paid_before.debt_id
    from paid_before
    left join unlisted
        on
            paid_before.file_id = unlisted.file_id
            and paid_before.debt_id = unlisted.debt_id
    where
        paid_before.update_mode = 'replace'
        and unlisted.debt_id is null
    union all
    select
        paid_before.load_id,
        paid_before.file_id,
        paid_before.debt_id
    from paid_before
    inner join texts
        on
            paid_before.load_id = texts.load_id
            and paid_before.file_id = texts.file_id
            and paid_before.row_hash = texts.row_hash
    where paid_before.update_mode = 'upsert'
),

owed as (
    select
        load_id,
        file_id,
        debt_id
    from invoices
    where
        rejection_code is null
        and not is_paid
        and not is_void
    union distinct
    select
        load_id,
        file_id,
        debt_id
    from listed_again
),

listed as (
    select
        standing.load_id,
        standing.judged_at,
        owed.file_id,
        owed.debt_id
    from standing
    inner join loads on standing.load_id = loads.load_id
    inner join files on standing.file_id = files.file_id
    inner join owed
        on
            files.load_id = owed.load_id
            and files.file_id = owed.file_id
    where standing.verdict = 'applied'
),

listed_after_paid as (
    select
        listed.load_id,
        listed.judged_at as listed_at,
        listed.file_id,
        listed.debt_id,
        latter.organization_id,
        latter.payment_id
    from listed
    inner join paid_versions as former
        on
            listed.debt_id = former.debt_id
            and listed.judged_at > former.dbt_valid_from
            and (former.dbt_valid_to is null or listed.judged_at <= former.dbt_valid_to)
    inner join paid_versions as latter
        on
            listed.debt_id = latter.debt_id
            and listed.judged_at >= latter.dbt_valid_from
            and (latter.dbt_valid_to is null or listed.judged_at < latter.dbt_valid_to)
    where latter.file_status = 'listed'
)

select * from listed_after_paid
