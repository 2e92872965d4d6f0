-- Assumes R27: a campaign writes to created customers, of organizations that have a contract, with
-- a usable mail and no active method.
-- A row here means that somebody gets mail who has enrolled already or whose organization has left,
-- or that the mail is somebody else's or nobody's.
{{ config(meta={'dagster': {'ref': {'name': 'campaign_contacts'}}}) }}

with contacts as (
    select * from {{ ref('campaign_contacts') }}
),

customers as (
    select * from {{ ref('customers') }}
),

enrollments as (
    select * from {{ ref('enrollments') }}
),

contracts as (
    select * from {{ ref('organization_contracts') }}
),

active as (
    select distinct {{ hash_customer('organization_id', 'customer_id') }} as customer_key
    from enrollments
    where
        status = 'accepted'
        and method_status = 'active'
),

wrong as (
    select
        contacts.organization_id,
        customers.customer_key
    from contacts
    left join customers
        on
            contacts.organization_id = customers.organization_id
            and contacts.customer_id = customers.customer_id
    left join contracts on contacts.organization_id = contracts.organization_id
    left join active on customers.customer_key = active.customer_key
    where
        customers.customer_key is null
        or customers.mail_status <> 'usable'
        or contacts.mail is distinct from customers.mail
        or contracts.organization_id is null
        or active.customer_key is not null
)

select * from wrong
