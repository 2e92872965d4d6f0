-- The running number of business days at each date that the aging needs (R25): the difference of
-- two numbers is the business days between two dates. Without a calendar, a country has weekends
-- only.
with versions as (
    select * from {{ ref('int_payments__versioned') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

bank_holidays as (
    select * from {{ ref('bank_holidays') }}
),

countries as (
    select distinct country
    from versions
),

dates as (
    select
        country,
        in_process_on as calendar_date
    from versions
    where in_process_on is not null
    union distinct
    select
        countries.country,
        loads.business_date as calendar_date
    from loads
    cross join countries
),

weekday_holidays as (
    select
        country,
        holiday_on
    from bank_holidays
    where {{ is_weekday('holiday_on') }}
),

numbered as (
    select
        dates.country,
        dates.calendar_date,
        {{ weekdays_through('dates.calendar_date') }}
        - count(weekday_holidays.holiday_on) as business_day_number
    from dates
    left join weekday_holidays
        on
            dates.country = weekday_holidays.country
            and dates.calendar_date >= weekday_holidays.holiday_on
    group by
        dates.country,
        dates.calendar_date
)

select * from numbered
