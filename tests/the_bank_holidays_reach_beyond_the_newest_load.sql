-- Assumes that the calendar of bank holidays covers the dates that are run.
-- A row here means that business days are counted without holidays: run `make bank-holidays` with
-- later years, or payments will be called late on a holiday.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_intake__loads'}}}) }}

with newest_load as (
    select max(business_date) as business_date
    from {{ ref('stg_intake__loads') }}
),

bank_holidays as (
    select max(holiday_on) as holiday_on
    from {{ ref('bank_holidays') }}
),

uncovered as (
    select newest_load.business_date
    from newest_load
    cross join bank_holidays
    where newest_load.business_date > bank_holidays.holiday_on
)

select * from uncovered
