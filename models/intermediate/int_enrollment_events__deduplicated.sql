-- An event that arrives twice counts once, as it first arrived.
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('stg_events__enrollment_events') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {%- if is_incremental() %}
    where is_current and load_id > (select coalesce(max(load_id), 0) from {{ this }})
    {%- endif %}
),

ranked as (
    select
        events.*,
        row_number() over (
            partition by events.organization_id, events.event_id
            order by events.event_number
        ) as event_rank
    from events
    inner join loads on events.load_id = loads.load_id
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
    from ranked
    where event_rank = 1
    {%- if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as former
            where
                former.organization_id = ranked.organization_id
                and former.event_id = ranked.event_id
        )
    {%- endif %}
)

select * from deduplicated
