-- The customers whom a campaign for automatic payment may contact (R27).
{{ config(materialized='view') }}

with customers as (
    select * from {{ ref('customers') }}
),

enrollments as (
    select * from {{ ref('enrollments') }}
),

contacts as (
    select
        customers.organization_id,
        customers.customer_id,
        customers.name,
        customers.mail,
        customers.created_at
    from customers
    where
        customers.mail_status = 'usable'
        and not exists (
            select 1
            from enrollments
            where
                {{ hash_customer('enrollments.organization_id', 'enrollments.customer_id') }}
                = {{ hash_customer('customers.organization_id', 'customers.customer_id') }}
                and enrollments.status = 'accepted'
                and enrollments.method_status = 'active'
        )
)

select * from contacts
