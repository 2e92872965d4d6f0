-- Debts, customers and payment methods joined: everyone who owes, is created or has a method.
with debts as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as customer_key
    from {{ ref('debts') }}
    where is_in_base
),

customers as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as id_key
    from {{ ref('customers') }}
),

enrollments as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as customer_key
    from {{ ref('enrollments') }}
),

contacts as (
    select * from {{ ref('campaign_contacts') }}
),

organizations as (
    select * from {{ ref('organization_contracts') }}
),

owed as (
    select
        debts.customer_key,
        debts.organization_id,
        min(debts.customer_id) as customer_id,
        count(case when debts.status = 'pending' then 1 end) as pending_count,
        sum(
            case
                when debts.status = 'pending' and debts.currency = organizations.currency
                    then debts.amount
                else 0
            end
        ) as pending_amount,
        min(case when debts.status = 'pending' then debts.due_date end) as oldest_due_date,
        count(case when debts.status = 'in_process' then 1 end) as in_process_count,
        sum(
            case
                when debts.status = 'in_process' and debts.currency = organizations.currency
                    then debts.amount
                else 0
            end
        ) as in_process_amount,
        count(case when debts.currency <> organizations.currency then 1 end)
            as other_currency_count
    from debts
    inner join organizations on debts.organization_id = organizations.organization_id
    group by
        debts.customer_key,
        debts.organization_id
),

enrolled as (
    select
        customer_key,
        organization_id,
        min(customer_id) as customer_id,
        count(case when status = 'accepted' and method_status = 'active' then 1 end)
            as active_method_count,
        count(case when status = 'waiting' then 1 end) as waiting_method_count
    from enrollments
    group by customer_key, organization_id
),

known as (
    select
        coalesce(enrolled.customer_key, customers.id_key) as customer_key,
        coalesce(customers.organization_id, enrolled.organization_id) as organization_id,
        coalesce(customers.customer_id, enrolled.customer_id) as customer_id,
        customers.name,
        customers.mail,
        enrolled.active_method_count,
        enrolled.waiting_method_count,
        customers.customer_id is not null as is_created,
        coalesce(customers.mail_status = 'usable', false) as is_reachable,
        contacts.customer_id is not null as is_campaign_contact
    from customers
    full outer join enrolled on customers.id_key = enrolled.customer_key
    left join contacts
        on
            customers.organization_id = contacts.organization_id
            and customers.customer_id = contacts.customer_id
),

everyone as (
    select
        coalesce(owed.organization_id, known.organization_id) as organization_id,
        coalesce(known.customer_id, owed.customer_id) as customer_id,
        known.name,
        known.mail,
        coalesce(owed.pending_count, 0) as pending_count,
        cast(
            coalesce(owed.pending_amount, 0) as {{ var('money_sum_type') }}
        ) as pending_amount,
        owed.oldest_due_date,
        coalesce(owed.in_process_count, 0) as in_process_count,
        cast(
            coalesce(owed.in_process_amount, 0) as {{ var('money_sum_type') }}
        ) as in_process_amount,
        coalesce(owed.other_currency_count, 0) as other_currency_count,
        coalesce(known.active_method_count, 0) as active_method_count,
        coalesce(known.waiting_method_count, 0) as waiting_method_count,
        coalesce(known.is_created, false) as is_created,
        owed.customer_key is not null as is_owing,
        coalesce(known.active_method_count, 0) > 0 as is_enrolled,
        coalesce(known.is_reachable, false) as is_reachable,
        coalesce(known.is_campaign_contact, false) as is_campaign_contact
    from owed
    full outer join known on owed.customer_key = known.customer_key
),

accounts as (
    select
        everyone.organization_id,
        everyone.customer_id,
        everyone.name,
        everyone.mail,
        organizations.currency,
        everyone.pending_count,
        everyone.pending_amount,
        everyone.oldest_due_date,
        everyone.in_process_count,
        everyone.in_process_amount,
        everyone.other_currency_count,
        everyone.active_method_count,
        everyone.waiting_method_count,
        everyone.is_created,
        everyone.is_owing,
        everyone.is_enrolled,
        everyone.is_reachable,
        everyone.is_campaign_contact
    from everyone
    inner join organizations on everyone.organization_id = organizations.organization_id
)

select * from accounts
