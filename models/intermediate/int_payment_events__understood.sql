-- The events that count. An event waits if its organization had no contract when it arrived, or if
-- no seed maps its status. Once a load has both, it counts like an event of that load (R21).
{{ config(materialized='incremental', incremental_strategy='append') }}

with events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_kept') }}
),

statuses as (
    select * from {{ ref('stg_contracts__statuses_kept') }}
),

loads as (
    select
        load_id,
        contracts
    from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

understanding as (
    select
        events.organization_id,
        events.event_id,
        loads.load_id,
        organizations.customer_id_scheme,
        statuses.status,
        row_number() over (
            partition by events.organization_id, events.event_id
            order by loads.load_id
        ) as load_rank
    from events
    inner join loads on events.load_id < loads.load_id
    inner join organizations
        on
            loads.contracts = organizations.contracts
            and events.organization_id = organizations.organization_id
    inner join statuses
        on
            loads.contracts = statuses.contracts
            and lower({{ strip('events.raw_status') }}) = statuses.raw_status
            and statuses.kind = 'payment'
    where events.status is null
    {%- if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as former
            where
                former.organization_id = events.organization_id
                and former.event_id = events.event_id
        )
    {%- endif %}
),

understood as (
    select
        events.load_id,
        events.event_number,
        events.event_id,
        events.organization_id,
        events.payment_id,
        events.customer_id,
        events.product_id,
        events.due_date,
        events.amount,
        events.currency,
        events.channel,
        events.channel_label,
        events.status,
        events.reason,
        events.occurred_at
    from events
    inner join loads on events.load_id = loads.load_id
    where events.status is not null
    union all
    select
        understanding.load_id,
        events.event_number,
        events.event_id,
        events.organization_id,
        events.payment_id,
        coalesce(
            {{ normalize_customer_id('events.customer_id', 'understanding.customer_id_scheme') }},
            events.customer_id
        ) as customer_id,
        events.product_id,
        events.due_date,
        events.amount,
        events.currency,
        events.channel,
        events.channel_label,
        understanding.status,
        events.reason,
        events.occurred_at
    from events
    inner join understanding
        on
            events.organization_id = understanding.organization_id
            and events.event_id = understanding.event_id
    where understanding.load_rank = 1
)

select * from understood
