-- Assumes that what is called new, returned, paid, withdrawn, void or changed is all that moves a
-- base, that a day opens as the day before closed, and that the newest day closes as the base is:
-- as `debts` says, which no movement is counted from.
-- A row here means that debts came or went without anybody being able to say why.
{{ config(meta={'dagster': {'ref': {'name': 'daily_balance'}}}) }}

with balances as (
    select
        *,
        lag(closing_count) over day_order as former_count,
        lag(closing_amount) over day_order as former_amount,
        row_number() over (
            partition by organization_id, currency
            order by business_date desc
        ) as newness
    from {{ ref('daily_balance') }}
    window day_order as (partition by organization_id, currency order by business_date)
),

base as (
    select
        organization_id,
        currency,
        count(*) as debt_count,
        sum(amount) as amount
    from {{ ref('debts') }}
    where is_in_base
    group by
        organization_id,
        currency
),

-- The newest day of each is compared with the base. The condition is a part of an equality: with
-- one of its own, a full outer join compares each row with every other.
unbalanced as (
    select
        coalesce(balances.organization_id, base.organization_id) as organization_id,
        coalesce(balances.currency, base.currency) as currency,
        balances.business_date
    from balances
    full outer join base
        on
            case when balances.newness = 1 then balances.organization_id end
            = base.organization_id
            and balances.currency = base.currency
    where
        balances.organization_id is null
        or balances.base_count_difference <> 0
        or balances.base_amount_difference <> 0
        or balances.opening_count <> coalesce(balances.former_count, 0)
        or balances.opening_amount <> coalesce(balances.former_amount, 0)
        or (
            balances.newness = 1
            and (
                balances.closing_count <> coalesce(base.debt_count, 0)
                or balances.closing_amount <> coalesce(base.amount, 0)
            )
        )
)

select * from unbalanced
