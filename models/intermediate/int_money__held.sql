-- The money of a part of a payment that was received and not published yet, from one load that
-- changed it to the next. Negative if more was published than still stands (R23, R25).
with moved as (
    select * from {{ ref('int_money__moved') }}
),

moved_by_load as (
    select
        payment_key,
        currency,
        load_id,
        max(organization_id) as organization_id,
        max(payment_id) as payment_id,
        max(debt_id) as debt_id,
        max(event_id) as event_id,
        sum(case when movement = 'received' then amount else -amount end) as amount
    from moved
    group by
        payment_key,
        currency,
        load_id
),

held as (
    select
        payment_key,
        organization_id,
        payment_id,
        debt_id,
        currency,
        load_id,
        event_id,
        sum(amount) over (
            partition by payment_key, currency
            order by load_id
            rows between unbounded preceding and current row
        ) as held_amount,
        lead(load_id) over (
            partition by payment_key, currency
            order by load_id
        ) as next_load_id
    from moved_by_load
)

select * from held
