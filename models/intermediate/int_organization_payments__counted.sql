-- The current state of each debt and currency by the organizations' own payments files (R6).
with versions as (
    select * from {{ ref('int_organization_payments__versioned') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by debt_id, currency
            order by load_id desc
        ) as newness
    from versions
),

counted as (
    select
        debt_id,
        customer_id,
        product_id,
        due_date,
        currency,
        load_id as newest_load_id,
        paid_amount,
        is_counted
    from ranked
    where newness = 1
)

select * from counted
