-- Each movement of money by load: the money of a part of a payment that came to stand or no longer
-- stands (`received`), and the money in the payments files (`published`). Both are signed; money
-- given back is negative.
with versions as (
    select
        *,
        received_amount - reversed_amount as standing_amount,
        lead(load_id) over (partition by payment_key order by load_id) as next_load_id,
        lead(event_id) over (partition by payment_key order by load_id) as next_event_id
    from {{ ref('int_payments__versioned') }}
),

file_lines as (
    select * from {{ ref('payments_file_lines') }}
    where status in ('autorizado', 'reversado')
),

moved as (
    select
        'received' as movement,
        payment_key,
        organization_id,
        payment_id,
        debt_id,
        currency,
        load_id,
        event_id,
        standing_amount as amount
    from versions
    union all
    -- the version ends: the next one states what stands, in its own currency
    select
        'received' as movement,
        payment_key,
        organization_id,
        payment_id,
        debt_id,
        currency,
        next_load_id as load_id,
        next_event_id as event_id,
        -standing_amount as amount
    from versions
    where next_load_id is not null
    union all
    select
        'published' as movement,
        {{ hash_payment('organization_id', 'payment_id', 'debt_id') }} as payment_key,
        organization_id,
        payment_id,
        debt_id,
        currency,
        load_id,
        event_id,
        amount
    from file_lines
)

select * from moved
