-- Assumes R27: a payment method counts only once an upload has created its customer, and then it
-- does: nothing else keeps a method of known status waiting.
-- A row here means that somebody whom the organization never named would be charged automatically,
-- or that a customer who enrolled would go on being asked to.
{{ config(meta={'dagster': {'ref': {'name': 'enrollments'}}}) }}

with enrollments as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as customer_key
    from {{ ref('enrollments') }}
),

customers as (
    select * from {{ ref('customers') }}
),

met as (
    select
        enrollments.enrollment_key,
        enrollments.status,
        enrollments.method_status is not null and customers.customer_key is not null
            as can_be_accepted
    from enrollments
    left join customers on enrollments.customer_key = customers.customer_key
),

misjudged as (
    select *
    from met
    where (status = 'accepted') <> can_be_accepted
)

select * from misjudged
