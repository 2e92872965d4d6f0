-- A payment is what its latest event says, by (occurred_at, loaded order) (R21). A build compares
-- the new events with what it holds, so its cost follows the new events.
{{ config(materialized='incremental', unique_key='payment_key') }}

with events as (
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
        events.*,
        loads.loaded_at,
        row_number() over (
            partition by events.organization_id, events.payment_id
            order by events.occurred_at desc, events.event_number desc
        ) as event_rank
    from events
    inner join loads on events.load_id = loads.load_id
),

latest as (
    select
        md5(concat(organization_id, '|', payment_id)) as payment_key,
        organization_id,
        payment_id,
        {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }} as debt_id,
        customer_id,
        product_id,
        due_date,
        amount,
        currency,
        channel,
        channel_label,
        status,
        reason,
        occurred_at,
        event_id,
        event_number,
        load_id,
        loaded_at as updated_at
    from ranked
    where event_rank = 1
),

changed as (
    select latest.*
    from latest
    {%- if is_incremental() %}
    left join {{ this }} as former on latest.payment_key = former.payment_key
    where
        former.payment_key is null
        or latest.occurred_at > former.occurred_at
        or (
            latest.occurred_at = former.occurred_at
            and latest.event_number > former.event_number
        )
    {%- endif %}
)

select * from changed
