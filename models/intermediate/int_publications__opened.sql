-- One publication for each organization and business date (R22), with the form of its file as the
-- contract had it then: a file that is asked for again has the same bytes (R23).
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with looks as (
    select * from {{ ref('stg_intake__inbox_looks') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

opened as (
    select
        organizations.organization_id,
        loads.business_date,
        loads.load_id,
        loads.loaded_at as published_at,
        organizations.payment_flow,
        organizations.time_zone,
        organizations.delimiter,
        organizations.decimal_separator,
        organizations.date_format
    from looks
    inner join loads on looks.load_id = loads.load_id
    inner join organizations on looks.organization_id = organizations.organization_id
    where loads.is_current
    {%- if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as former
            where
                former.organization_id = organizations.organization_id
                and former.business_date = loads.business_date
        )
    {%- endif %}
)

select * from opened
