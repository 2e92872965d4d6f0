{{ config(materialized='incremental', incremental_strategy='append') }}

with invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
),

customers as (
    select * from {{ ref('int_customers__checked') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

codes as (
    select * from {{ ref('intake_codes') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {%- if is_incremental() %}
    where is_current and load_id > (select coalesce(max(load_id), 0) from {{ this }})
    {%- endif %}
),

rejected as (
    select
        load_id,
        file_id,
        line_number,
        debt_id,
        rejection_code
    from invoices
    where rejection_code is not null
    union all
    select
        load_id,
        file_id,
        line_number,
        debt_id,
        rejection_code
    from organization_payments
    where rejection_code is not null
    union all
    select
        load_id,
        file_id,
        line_number,
        cast(null as {{ dbt.type_string() }}) as debt_id,
        rejection_code
    from customers
    where rejection_code is not null
),

told as (
    select
        rejected.file_id,
        rejected.line_number,
        rejected.rejection_code as code,
        codes.message,
        files.organization_id,
        files.file_name,
        files.business_date,
        rejected.debt_id,
        files.received_at,
        rejected.load_id
    from rejected
    inner join loads on rejected.load_id = loads.load_id
    inner join files on rejected.file_id = files.file_id
    left join codes on rejected.rejection_code = codes.code
)

select * from told
