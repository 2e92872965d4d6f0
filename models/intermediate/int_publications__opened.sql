-- One publication per organization and business date (R22), with its file form from the contract
-- at that time: a file that is published again has the same bytes (R23).
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with looks as (
    select * from {{ ref('stg_intake__inbox_looks') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

opened as (
    select
        looks.organization_id,
        loads.business_date,
        loads.load_id,
        loads.loaded_at as published_at,
        looks.payment_flow,
        looks.time_zone,
        looks.delimiter,
        looks.decimal_separator,
        looks.date_format
    from looks
    inner join loads on looks.load_id = loads.load_id
    where loads.is_current
    {%- if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as former
            where
                former.organization_id = looks.organization_id
                and former.business_date = loads.business_date
        )
    {%- endif %}
)

select * from opened
