-- R21: an event that arrives twice counts once, as it first arrived. Ids are unique per
-- organization. An event without a contract or a known status waits
-- (int_payment_events__understood).
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('stg_events__payment_events') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

firsts as (
    {{ select_first_events('events', 'loads') }}
),

deduplicated as (
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
        raw_status,
        case when has_contract then status end as status,
        reason,
        occurred_at,
        has_contract,
        source_file,
        line_number
    from firsts
)

select * from deduplicated
