-- R21: an event whose id arrived before with other content. The first one counts. The repetition
-- does not count for its payment and debt, and is reported (R25). The letter case of statuses and
-- channels does not matter, as in the seeds.
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('stg_events__payment_events') }}
),

firsts as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_kept') }}
),

new_loads as (
    select load_id
    from loads
    {{ only_new_loads() }}
),

ruts as (
    select
        loads.load_id,
        organizations.organization_id
    from loads
    inner join organizations on loads.contracts = organizations.contracts
    where organizations.customer_id_scheme = 'rut'
),

-- The organization's contract or id scheme may be new since the first event. If one of the two
-- customer ids was read as a RUT, compare both as RUTs.
paired as (
    select
        events.*,
        firsts.customer_id as first_customer_id,
        firsts.product_id as first_product_id,
        firsts.due_date as first_due_date,
        events_ruts.load_id is not null or firsts_ruts.load_id is not null as is_of_rut,
        (
            events.payment_id is distinct from firsts.payment_id
            or events.amount is distinct from firsts.amount
            or events.currency is distinct from firsts.currency
            or lower(events.channel) is distinct from lower(firsts.channel)
            or lower({{ strip('events.raw_status') }})
            is distinct from lower({{ strip('firsts.raw_status') }})
            or events.reason is distinct from firsts.reason
            or events.occurred_at is distinct from firsts.occurred_at
        ) as has_other_values
    from events
    inner join new_loads on events.load_id = new_loads.load_id
    inner join firsts
        on
            events.organization_id = firsts.organization_id
            and events.event_id = firsts.event_id
            and events.event_number > firsts.event_number
    left join ruts as events_ruts
        on
            events.load_id = events_ruts.load_id
            and events.organization_id = events_ruts.organization_id
    left join ruts as firsts_ruts
        on
            firsts.load_id = firsts_ruts.load_id
            and firsts.organization_id = firsts_ruts.organization_id
),

keyed as (
    select
        *,
        {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }} as debt_id,
        case
            when is_of_rut then coalesce({{ normalize_rut('customer_id') }}, customer_id)
            else customer_id
        end as compared_customer_id,
        case
            when is_of_rut
                then coalesce({{ normalize_rut('first_customer_id') }}, first_customer_id)
            else first_customer_id
        end as first_compared_customer_id
    from paired
),

contradicted as (
    select
        load_id,
        event_number,
        event_id,
        organization_id,
        payment_id,
        customer_id,
        product_id,
        due_date,
        channel,
        currency,
        debt_id
    from keyed
    where
        has_other_values
        or {{ hash_debt(
            'organization_id', 'compared_customer_id', 'product_id', 'due_date'
        ) }} <> {{ hash_debt(
            'organization_id', 'first_compared_customer_id', 'first_product_id', 'first_due_date'
        ) }}
)

select * from contradicted
