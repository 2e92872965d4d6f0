-- Assumes R14: each record that was counted in a file is one row of raw, and each row of raw is of
-- a file. Former loads were tested when they were the newest, and raw rows never change.
-- A row here means that debts were lost on the way into the warehouse: a replace file would
-- withdraw them, and nobody would be asked to pay.
{{ config(meta={'dagster': {'ref': {'name': 'stg_intake__loads'}}}) }}

with files as (
    select * from {{ source('raw', 'intake_files') }}
),

invoices as (
    select * from {{ source('raw', 'invoices') }}
),

organization_payments as (
    select * from {{ source('raw', 'organization_payments') }}
),

customers as (
    select * from {{ source('raw', 'customers') }}
),

newest_load as (
    select load_id
    from {{ ref('stg_intake__loads') }}
    {% if not var('tests_every_row') %}where is_current{% endif %}
),

loaded as (
    select
        invoices.file_id,
        count(*) as row_count
    from invoices
    inner join newest_load on invoices.load_id = newest_load.load_id
    group by invoices.file_id
    union all
    select
        organization_payments.file_id,
        count(*) as row_count
    from organization_payments
    inner join newest_load on organization_payments.load_id = newest_load.load_id
    group by organization_payments.file_id
    union all
    select
        customers.file_id,
        count(*) as row_count
    from customers
    inner join newest_load on customers.load_id = newest_load.load_id
    group by customers.file_id
),

received as (
    select
        files.file_id,
        files.record_count
    from files
    inner join newest_load on files.load_id = newest_load.load_id
),

differing as (
    select
        received.record_count,
        loaded.row_count,
        coalesce(received.file_id, loaded.file_id) as file_id
    from received
    full outer join loaded on received.file_id = loaded.file_id
    where coalesce(received.record_count, 0) <> coalesce(loaded.row_count, 0)
)

select * from differing
