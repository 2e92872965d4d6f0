-- R21: an event whose id arrived before with other content. The first one counts. The repetition
-- does not count for its payment and debt, and is reported (R25).
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('stg_events__payment_events') }}
),

firsts as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {%- if is_incremental() %}
    where is_current and load_id > (select coalesce(max(load_id), 0) from {{ this }})
    {%- endif %}
),

repeated as (
    select events.*
    from events
    inner join loads on events.load_id = loads.load_id
),

paired as (
    select
        repeated.*,
        {{ hash_debt(
            'repeated.organization_id',
            'repeated.customer_id',
            'repeated.product_id',
            'repeated.due_date'
        ) }} as debt_id,
        {{ hash_debt(
            'firsts.organization_id', 'firsts.customer_id', 'firsts.product_id', 'firsts.due_date'
        ) }} as first_debt_id,
        (
            repeated.payment_id is distinct from firsts.payment_id
            or repeated.amount is distinct from firsts.amount
            or repeated.currency is distinct from firsts.currency
            or repeated.channel is distinct from firsts.channel
            or repeated.raw_status is distinct from firsts.raw_status
            or repeated.reason is distinct from firsts.reason
            or repeated.occurred_at is distinct from firsts.occurred_at
        ) as has_other_values
    from repeated
    inner join firsts
        on
            repeated.organization_id = firsts.organization_id
            and repeated.event_id = firsts.event_id
            and repeated.event_number > firsts.event_number
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
    from paired
    where has_other_values or debt_id <> first_debt_id
)

select * from contradicted
