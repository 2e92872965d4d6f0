-- Assumes that the calendar of bank holidays covers the dates that are run, in the country of each
-- contract.
-- A row here means that business days of a country are counted without holidays, so payments will
-- be called late on a holiday: run `make bank-holidays`, which writes the countries of the
-- contracts. Add a country that it does not know to `bank_holidays.csv` by hand. For later years,
-- change YEARS in `orchestration/devtools/bank_holidays.py` first.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_intake__loads'}}}) }}

with newest_load as (
    select max(business_date) as business_date
    from {{ ref('stg_intake__loads') }}
),

countries as (
    select distinct country
    from {{ ref('organization_contracts') }}
),

bank_holidays as (
    select
        country,
        max(holiday_on) as holiday_on
    from {{ ref('bank_holidays') }}
    group by country
),

uncovered as (
    select
        countries.country,
        newest_load.business_date,
        bank_holidays.holiday_on
    from countries
    cross join newest_load
    left join bank_holidays on countries.country = bank_holidays.country
    where
        bank_holidays.holiday_on is null
        or bank_holidays.holiday_on < newest_load.business_date
)

select * from uncovered
