-- Assumes R25: money received is published or held by an open exception, to the cent: a day opens
-- with what the day before held, and what was received less what was given back in `payments` is
-- what the payments files said and what the exceptions hold.
-- A row here means that money came in and nobody was told, and nobody asks for it.
{{ config(meta={'dagster': {'ref': {'name': 'daily_balance'}}}) }}

with balances as (
    select
        *,
        row_number() over (
            partition by organization_id, currency
            order by business_date desc
        ) as newness,
        sum(published_amount) over (partition by organization_id, currency) as published_so_far,
        lag(closing_held_amount) over (
            partition by organization_id, currency
            order by business_date
        ) as former_held_amount
    from {{ ref('daily_balance') }}
),

received as (
    select
        organization_id,
        currency,
        sum(received_amount - reversed_amount) as amount
    from {{ ref('payments') }}
    group by
        organization_id,
        currency
),

held as (
    select
        organization_id,
        currency,
        sum(held_amount) as amount
    from {{ ref('payment_exceptions') }}
    where is_open
    group by
        organization_id,
        currency
),

unbalanced as (
    select
        balances.organization_id,
        balances.currency,
        balances.business_date
    from balances
    left join received
        on
            balances.organization_id = received.organization_id
            and balances.currency = received.currency
    left join held
        on
            balances.organization_id = held.organization_id
            and balances.currency = held.currency
    where
        balances.opening_held_amount <> coalesce(balances.former_held_amount, 0)
        or (
            balances.newness = 1
            and (
                balances.closing_held_amount <> coalesce(held.amount, 0)
                or balances.published_so_far + coalesce(held.amount, 0)
                <> coalesce(received.amount, 0)
            )
        )
),

-- A balance that is not there says nothing of what was received.
missing as (
    select
        received.organization_id,
        received.currency,
        cast(null as date) as business_date
    from received
    left join balances
        on
            received.organization_id = balances.organization_id
            and received.currency = balances.currency
    where
        received.amount <> 0
        and balances.organization_id is null
)

select * from unbalanced
union all
select * from missing
