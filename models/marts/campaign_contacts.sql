-- The customers whom a campaign for automatic payment may contact (R27).
with customers as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as id_key
    from {{ ref('customers') }}
),

enrollments as (
    select * from {{ ref('enrollments') }}
),

contracts as (
    select * from {{ ref('organization_contracts') }}
),

enrolled as (
    select {{ hash_customer('organization_id', 'customer_id') }} as id_key
    from enrollments
    where
        status = 'accepted'
        and method_status = 'active'
),

contacts as (
    select
        customers.organization_id,
        customers.customer_id,
        customers.name,
        customers.mail,
        customers.created_at
    from customers
    inner join contracts on customers.organization_id = contracts.organization_id
    where
        customers.mail_status = 'usable'
        and not exists (
            select 1
            from enrolled
            where enrolled.id_key = customers.id_key
        )
)

select * from contacts
