-- An event of a status that its seed does not list counts once a later load's seed does: until
-- then somebody must know which words are missing. Of an organization without a contract, the
-- status of a payment is not read: its word is looked for, too.
with payment_events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

enrollment_events as (
    select * from {{ ref('int_enrollment_events__deduplicated') }}
),

statuses as (
    select * from {{ ref('stg_contracts__statuses_kept') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

events as (
    select
        'payment' as kind,
        organization_id,
        event_id,
        load_id,
        lower({{ strip('raw_status') }}) as raw_status,
        occurred_at
    from payment_events
    where status is null
    union all
    select
        'enrollment' as kind,
        organization_id,
        event_id,
        load_id,
        lower({{ strip('raw_status') }}) as raw_status,
        occurred_at
    from enrollment_events
    where status is null
),

listed as (
    select distinct
        events.kind,
        events.organization_id,
        events.event_id
    from events
    inner join statuses
        on
            events.kind = statuses.kind
            and events.raw_status = statuses.raw_status
    inner join loads
        on
            statuses.contracts = loads.contracts
            and events.load_id <= loads.load_id
),

counted as (
    select
        events.kind,
        events.organization_id,
        events.raw_status,
        count(*) as event_count,
        min(events.occurred_at) as oldest_occurred_at,
        min(loads.business_date) as first_loaded_on
    from events
    inner join loads on events.load_id = loads.load_id
    left join listed
        on
            events.kind = listed.kind
            and events.organization_id = listed.organization_id
            and events.event_id = listed.event_id
    where listed.event_id is null
    group by
        events.kind,
        events.organization_id,
        events.raw_status
)

select * from counted
