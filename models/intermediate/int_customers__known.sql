-- What workbooks and payment methods say of a customer: everyone who is created or has a method.
with customers as (
    select
        *,
        {{ normal_id('customer_id') }} as normal_id
    from {{ ref('customers') }}
),

enrollments as (
    select
        *,
        {{ normal_id('customer_id') }} as normal_id
    from {{ ref('enrollments') }}
),

contacts as (
    select * from {{ ref('campaign_contacts') }}
),

enrolled as (
    select
        organization_id,
        normal_id,
        min(customer_id) as customer_id,
        count(case when status = 'accepted' and method_status = 'active' then 1 end)
            as active_method_count,
        count(case when status = 'waiting' then 1 end) as waiting_method_count
    from enrollments
    group by organization_id, normal_id
),

known as (
    select
        coalesce(customers.organization_id, enrolled.organization_id) as organization_id,
        coalesce(customers.normal_id, enrolled.normal_id) as normal_id,
        coalesce(customers.customer_id, enrolled.customer_id) as customer_id,
        customers.name,
        customers.mail,
        coalesce(enrolled.active_method_count, 0) as active_method_count,
        coalesce(enrolled.waiting_method_count, 0) as waiting_method_count,
        customers.customer_id is not null as is_created,
        coalesce(customers.mail_status = 'usable', false) as is_reachable,
        contacts.customer_id is not null as is_campaign_contact
    from customers
    full outer join enrolled
        on
            customers.organization_id = enrolled.organization_id
            and customers.normal_id = enrolled.normal_id
    left join contacts
        on
            customers.organization_id = contacts.organization_id
            and customers.customer_id = contacts.customer_id
)

select * from known
