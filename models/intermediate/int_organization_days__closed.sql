-- The debts, payments and exceptions of each organization at the end of a business date. They
-- depend on their time, so a full refresh keeps them. A build counts for the newest date that has
-- begun, whatever date its load is for, as daily_balance does; a past date that has no row yet
-- gets one.
{{ config(
    materialized='incremental',
    unique_key=['organization_id', 'business_date'],
    full_refresh=false,
) }}

{%- set statuses = ['pending', 'in_process', 'paid', 'withdrawn', 'void'] %}

with loads as (
    select * from {{ ref('stg_intake__loads') }}
),

days as (
    select * from {{ ref('intake_days') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

debts as (
    select * from {{ ref('debts') }}
),

in_process as (
    select * from {{ ref('payments_in_process') }}
),

exceptions as (
    select * from {{ ref('payment_exceptions') }}
),

newest as (
    select
        max(business_date) as newest_date,
        max(case when is_current then business_date end) as current_date_of_load
    from loads
),

{% if is_incremental() %}
-- A day that stands twice is written again.
kept as (
    select
        organization_id,
        business_date
    from {{ this }}
    group by
        organization_id,
        business_date
    having count(*) = 1
),
{% endif %}

current_days as (
    select
        days.organization_id,
        days.business_date
    from days
    cross join newest
    {%- if is_incremental() %}
    left join kept
        on
            days.organization_id = kept.organization_id
            and days.business_date = kept.business_date
    where
        days.business_date = newest.newest_date
        or (days.business_date = newest.current_date_of_load and kept.organization_id is null)
    {%- else %}
    where days.business_date in (newest.newest_date, newest.current_date_of_load)
    {%- endif %}
),

applied as (
    select
        organization_id,
        currency,
        row_number() over (
            partition by organization_id
            order by load_id desc
        ) as newness
    from files
    where
        kind = 'invoices'
        and status = 'applied'
),

-- One of each, also where the newest date and a past one are counted.
looked_at as (
    select distinct organization_id
    from current_days
),

currencies as (
    select
        looked_at.organization_id,
        coalesce(applied.currency, organizations.currency) as currency
    from looked_at
    left join applied
        on
            looked_at.organization_id = applied.organization_id
            and applied.newness = 1
    left join organizations on looked_at.organization_id = organizations.organization_id
),

counted as (
    select
        organization_id,
        currency,
        {%- for status in statuses %}
        count(case when status = '{{ status }}' then 1 end) as {{ status }}_count,
        {%- endfor %}
        count(case when status = 'in_process' and kept_because = 'in_process' then 1 end)
            as kept_in_process_count,
        count(case when is_in_base then 1 end) as base_count,
        sum(case when is_in_base then amount else 0 end) as base_amount
    from debts
    group by
        organization_id,
        currency
),

based as (
    select
        counted.organization_id,
        {%- for status in statuses %}
        sum(counted.{{ status }}_count) as {{ status }}_count,
        {%- endfor %}
        sum(counted.kept_in_process_count) as kept_in_process_count,
        sum(counted.base_count) as base_count,
        -- amounts of two currencies are never added
        sum(
            case when counted.currency = currencies.currency then counted.base_amount else 0 end
        ) as base_amount,
        sum(case when counted.currency = currencies.currency then 0 else counted.base_count end)
            as other_currency_count
    from counted
    inner join currencies on counted.organization_id = currencies.organization_id
    group by counted.organization_id
),

aged as (
    select
        organization_id,
        count(*) as payment_count,
        count(case when is_too_long then 1 end) as overdue_count,
        max(business_days) as oldest_business_days
    from in_process
    group by organization_id
),

opened as (
    select
        organization_id,
        count(*) as exception_count,
        min(opened_at) as oldest_opened_at
    from exceptions
    where is_open
    group by organization_id
),

closed as (
    select
        current_days.organization_id,
        current_days.business_date,
        currencies.currency,
        {%- for status in statuses %}
        cast(coalesce(based.{{ status }}_count, 0) as bigint) as {{ status }}_count,
        {%- endfor %}
        cast(coalesce(based.kept_in_process_count, 0) as bigint) as kept_in_process_count,
        cast(coalesce(based.base_count, 0) as bigint) as base_count,
        cast(coalesce(based.base_amount, 0) as {{ var('money_sum_type') }}) as base_amount,
        cast(coalesce(based.other_currency_count, 0) as bigint) as other_currency_count,
        coalesce(aged.payment_count, 0) as payment_in_process_count,
        coalesce(aged.overdue_count, 0) as overdue_payment_count,
        aged.oldest_business_days,
        coalesce(opened.exception_count, 0) as open_exception_count,
        opened.oldest_opened_at as oldest_exception_at
    from current_days
    inner join currencies on current_days.organization_id = currencies.organization_id
    left join based on current_days.organization_id = based.organization_id
    left join aged on current_days.organization_id = aged.organization_id
    left join opened on current_days.organization_id = opened.organization_id
)

select * from closed
