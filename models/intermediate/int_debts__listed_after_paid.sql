-- The rows of applied files that list a debt as owed after a payment had paid it (R6, R25).
{{ config(materialized='incremental', incremental_strategy='append') }}

with invoices as (
    select * from {{ ref('int_invoices__checked') }}
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

listed as (
    select
        standing.load_id,
        standing.judged_at,
        invoices.file_id,
        invoices.debt_id
    from standing
    inner join loads on standing.load_id = loads.load_id
    inner join files on standing.file_id = files.file_id
    inner join invoices
        on
            files.load_id = invoices.load_id
            and files.file_id = invoices.file_id
    where
        standing.verdict = 'applied'
        and invoices.rejection_code is null
        and not invoices.is_paid
        and not invoices.is_void
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
