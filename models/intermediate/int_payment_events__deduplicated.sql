-- R21: an event that arrives twice counts once, as it first arrived. Ids are unique per
-- organization. An event without a contract or a known status waits
-- (int_payment_events__understood). All events of a payment are read with one id scheme.
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('stg_events__payment_events') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_kept') }}
),

new_loads as (
    select load_id
    from loads
    {{ only_new_loads() }}
),

firsts as (
    {{ select_first_events('events', 'new_loads') }}
),

concerned as (
    select
        organization_id,
        payment_id,
        load_id
    from firsts
    {%- if is_incremental() %}
    union all
    select
        former.organization_id,
        former.payment_id,
        former.load_id
    from {{ this }} as former
    where
        exists (
            select 1
            from firsts
            where
                former.organization_id = firsts.organization_id
                and former.payment_id = firsts.payment_id
        )
    {%- endif %}
),

{{ with_payment_schemes('concerned', 'loads', 'organizations') }},

deduplicated as (
    select
        firsts.load_id,
        firsts.event_number,
        firsts.event_id,
        firsts.organization_id,
        firsts.payment_id,
        coalesce(
            {{ normalize_customer_id(
                'firsts.raw_customer_id', 'payment_schemes.customer_id_scheme'
            ) }},
            trim(firsts.raw_customer_id)
        ) as customer_id,
        firsts.product_id,
        firsts.due_date,
        firsts.amount,
        firsts.currency,
        firsts.channel,
        firsts.channel_label,
        firsts.raw_status,
        case when firsts.has_contract then firsts.status end as status,
        firsts.reason,
        firsts.occurred_at,
        firsts.has_contract,
        firsts.source_file,
        firsts.line_number
    from firsts
    left join payment_schemes
        on
            firsts.organization_id = payment_schemes.organization_id
            and firsts.payment_id = payment_schemes.payment_id
            and firsts.load_id >= payment_schemes.load_id
)

select * from deduplicated
