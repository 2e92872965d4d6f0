-- The events that count. One whose organization had no contract when it came, or whose status no
-- seed named, waits; from the load after it is understood it counts like one of that load (R21).
with events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

statuses as (
    select * from {{ ref('payment_statuses') }}
),

current_load as (
    select load_id
    from {{ ref('stg_intake__loads') }}
    where is_current
),

understood as (
    select
        load_id,
        event_number,
        event_id,
        organization_id,
        payment_id,
        customer_id,
        product_id,
        due_date,
        amount,
        currency,
        channel,
        channel_label,
        status,
        reason,
        occurred_at
    from events
    where status is not null
    union all
    select
        current_load.load_id,
        events.event_number,
        events.event_id,
        events.organization_id,
        events.payment_id,
        coalesce(
            {{ normalise_customer_id('events.customer_id', 'organizations.customer_id_scheme') }},
            events.customer_id
        ) as customer_id,
        events.product_id,
        events.due_date,
        events.amount,
        events.currency,
        events.channel,
        events.channel_label,
        statuses.status,
        events.reason,
        events.occurred_at
    from events
    cross join current_load
    inner join organizations on events.organization_id = organizations.organization_id
    inner join statuses on lower(trim(events.raw_status)) = statuses.raw_status
    where events.status is null
)

select * from understood
