-- An event that arrives twice counts once, as it first arrived.
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('stg_events__enrollment_events') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

firsts as (
    {{ select_first_events('events', 'loads') }}
),

deduplicated as (
    select
        load_id,
        event_number,
        event_id,
        md5(concat(organization_id, '|', payment_method_id)) as enrollment_key,
        organization_id,
        payment_method_id,
        customer_id,
        type,
        products,
        raw_status,
        status,
        occurred_at,
        has_contract,
        source_file,
        line_number
    from firsts
)

select * from deduplicated
