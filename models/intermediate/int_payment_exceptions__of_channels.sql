-- Payments that are in process longer than is normal for their channel, and payments of unknown
-- channels (R25). Each row is a time at which the condition of its code became true.
with versions as (
    select
        *,
        lead(valid_from) over (
            partition by payment_key
            order by load_id
        ) as valid_to
    from {{ ref('int_payments__versioned') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

business_dates as (
    select * from {{ ref('int_business_dates__numbered') }}
),

channels as (
    select * from {{ ref('payment_channels') }}
),

expected as (
    select *
    from versions
    where status in ('in_process', 'authorized')
),

in_process_too_long as (
    select
        'in_process_too_long' as code,
        expected.payment_key as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        loads.loaded_at as began_at,
        expected.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        expected.valid_to is null as is_open
    from expected
    inner join channels on lower(expected.channel) = channels.raw_channel
    inner join loads
        on
            expected.valid_from <= loads.loaded_at
            and (expected.valid_to is null or expected.valid_to > loads.loaded_at)
            and expected.in_process_on < loads.business_date
    inner join business_dates as since
        on
            expected.country = since.country
            and expected.in_process_on = since.calendar_date
    inner join business_dates as until
        on
            expected.country = until.country
            and loads.business_date = until.calendar_date
    where
        expected.status = 'in_process'
        and until.business_day_number - since.business_day_number > channels.normal_business_days
),

unknown_channel as (
    select
        'unknown_channel' as code,
        expected.payment_key as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        expected.valid_from as began_at,
        expected.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        expected.valid_to is null as is_open
    from expected
    left join channels on lower(expected.channel) = channels.raw_channel
    where channels.raw_channel is null
),

begun as (
    select * from in_process_too_long
    union all
    select * from unknown_channel
)

select * from begun
