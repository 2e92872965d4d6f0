with payments_in_process as (
    select * from {{ ref('payments_in_process') }}
),

aged as (
    select
        organization_id,
        channel_label,
        currency,
        aged_on,
        max(normal_business_days) as normal_business_days,
        count(*) as payment_count,
        cast(sum(amount) as {{ var('money_sum_type') }}) as amount,
        min(in_process_since) as oldest_since,
        max(business_days) as oldest_business_days,
        count(case when is_too_long then 1 end) as too_long_count,
        cast(sum(case when is_too_long then amount else 0 end) as {{ var('money_sum_type') }})
            as too_long_amount
    from payments_in_process
    group by
        organization_id,
        channel_label,
        currency,
        aged_on
)

select * from aged
