-- An event never changes, so a build adds those of its load.
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('int_payment_events__understood') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

events_described as (
    select
        events.event_number,
        events.event_id,
        events.organization_id,
        events.payment_id,
        {{ hash_debt(
            'events.organization_id', 'events.customer_id', 'events.product_id', 'events.due_date'
        ) }} as debt_id,
        events.customer_id,
        events.product_id,
        events.due_date,
        events.amount,
        events.currency,
        events.channel,
        events.channel_label,
        events.status,
        events.reason,
        events.occurred_at,
        events.load_id,
        loads.loaded_at as updated_at
    from events
    inner join loads on events.load_id = loads.load_id
)

select * from events_described
