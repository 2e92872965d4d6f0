-- The current state of each part of a payment: its newest version (R21). A build writes the parts
-- that its load changed.
{{ config(materialized='incremental', unique_key='payment_key') }}

with versions as (
    select * from {{ ref('int_payments__versioned') }}
),

events as (
    select * from {{ ref('int_payment_events__understood') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {%- if is_incremental() %}
    where is_current
    {%- endif %}
),

ranked as (
    select
        versions.*,
        row_number() over (
            partition by versions.payment_key
            order by versions.load_id desc
        ) as newness
    from versions
    inner join loads on versions.load_id = loads.load_id
),

newest as (
    select
        ranked.payment_key,
        ranked.organization_id,
        ranked.payment_id,
        ranked.debt_id,
        events.customer_id,
        events.product_id,
        events.due_date,
        ranked.amount,
        ranked.received_amount,
        ranked.reversed_amount,
        ranked.currency,
        events.channel,
        events.channel_label,
        ranked.status,
        events.reason,
        events.occurred_at,
        ranked.event_id,
        events.event_number,
        ranked.load_id,
        ranked.valid_from as updated_at
    from ranked
    inner join events
        on
            ranked.organization_id = events.organization_id
            and ranked.event_id = events.event_id
    where ranked.newness = 1
)

select * from newest
