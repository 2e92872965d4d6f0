-- How long each payment has been in process, in business days at the newest business date (R25).
with versions as (
    select * from {{ ref('int_payments__versioned') }}
),

payments as (
    select * from {{ ref('payments') }}
),

business_dates as (
    select * from {{ ref('int_business_dates__numbered') }}
),

channels as (
    select * from {{ ref('payment_channels') }}
),

newest as (
    select max(business_date) as business_date
    from {{ ref('stg_intake__loads') }}
),

aged as (
    select
        payments.organization_id,
        payments.payment_id,
        payments.debt_id,
        payments.channel,
        payments.channel_label,
        payments.amount,
        payments.currency,
        versions.in_process_since,
        newest.business_date as aged_on,
        cast(until.business_day_number - since.business_day_number as bigint) as business_days,
        channels.normal_business_days
    from payments
    inner join versions
        on
            payments.payment_key = versions.payment_key
            and payments.load_id = versions.load_id
    cross join newest
    inner join business_dates as since
        on
            versions.country = since.country
            and versions.in_process_on = since.calendar_date
    inner join business_dates as until
        on
            versions.country = until.country
            and newest.business_date = until.calendar_date
    left join channels on lower(payments.channel) = channels.raw_channel
    where payments.status = 'in_process'
),

watched as (
    select
        organization_id,
        payment_id,
        debt_id,
        channel,
        channel_label,
        amount,
        currency,
        in_process_since,
        aged_on,
        business_days,
        normal_business_days,
        coalesce(business_days > normal_business_days, false) as is_too_long
    from aged
)

select * from watched
