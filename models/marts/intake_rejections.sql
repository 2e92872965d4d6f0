{{ config(materialized='incremental', incremental_strategy='append') }}
{{ require_all_rows_in_a_full_refresh() }}

-- The functions that its post-hooks make read these, too.
-- depends_on: {{ ref('intake_files') }}, {{ ref('organization_contracts') }}

with invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
),

organization_payment_rows as (
    select * from {{ ref('stg_intake__organization_payments') }}
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
    {{ only_new_loads() }}
),

rejected as (
    select
        invoices.load_id,
        invoices.file_id,
        invoices.line_number,
        invoices.debt_id,
        invoices.rejection_code,
        invoices.customer_id_text,
        invoices.product_id,
        invoices.due_date_text,
        invoices.amount_text
    from invoices
    inner join loads on invoices.load_id = loads.load_id
    where invoices.rejection_code is not null
    union all
    select
        organization_payments.load_id,
        organization_payments.file_id,
        organization_payments.line_number,
        organization_payments.debt_id,
        organization_payments.rejection_code,
        organization_payment_rows.customer_id_text,
        organization_payment_rows.product_id,
        organization_payment_rows.due_date_text,
        organization_payment_rows.amount_text
    from organization_payments
    inner join loads on organization_payments.load_id = loads.load_id
    inner join organization_payment_rows
        on
            organization_payments.load_id = organization_payment_rows.load_id
            and organization_payments.file_id = organization_payment_rows.file_id
            and organization_payments.line_number = organization_payment_rows.line_number
    where organization_payments.rejection_code is not null
    union all
    select
        customers.load_id,
        customers.file_id,
        customers.line_number,
        cast(null as {{ dbt.type_string() }}) as debt_id,
        customers.rejection_code,
        cast(null as {{ dbt.type_string() }}) as customer_id_text,
        cast(null as {{ dbt.type_string() }}) as product_id,
        cast(null as {{ dbt.type_string() }}) as due_date_text,
        cast(null as {{ dbt.type_string() }}) as amount_text
    from customers
    inner join loads on customers.load_id = loads.load_id
    where customers.rejection_code is not null
),

rejections_described as (
    select
        rejected.file_id,
        rejected.line_number,
        rejected.rejection_code as code,
        codes.message,
        files.organization_id,
        files.file_name,
        files.business_date,
        rejected.debt_id,
        rejected.customer_id_text,
        rejected.product_id as product_id_text,
        rejected.due_date_text,
        rejected.amount_text,
        files.received_at,
        rejected.load_id
    from rejected
    inner join files on rejected.file_id = files.file_id
    left join codes on rejected.rejection_code = codes.code
)

select * from rejections_described
