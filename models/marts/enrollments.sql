-- The state of a payment method by its latest event. It is accepted once its customer is created
-- (R27). A build reads the methods with new events and those that wait for a customer or a status.
{{ config(materialized='incremental', unique_key='enrollment_key') }}

with events as (
    select * from {{ ref('int_enrollment_events__deduplicated') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_kept') }}
),

statuses as (
    select * from {{ ref('stg_contracts__statuses_kept') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

customers as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as id_key
    from {{ ref('customers') }}
),

touched as (
    select events.enrollment_key
    from events
    {%- if is_incremental() %}
    inner join loads on events.load_id = loads.load_id
    where loads.is_current
    union distinct
    select enrollment_key
    from {{ this }}
    where status = 'waiting' or has_unknown_status
    {%- else %}
    group by events.enrollment_key
    {%- endif %}
),

-- If an organization had no contract when an event arrived, its next contract is used.
next_contracts as (
    select
        events.organization_id,
        events.event_id,
        organizations.customer_id_scheme,
        row_number() over (
            partition by events.organization_id, events.event_id
            order by loads.load_id
        ) as contract_rank
    from events
    inner join touched on events.enrollment_key = touched.enrollment_key
    inner join organizations on events.organization_id = organizations.organization_id
    inner join loads
        on
            organizations.contracts = loads.contracts
            and events.load_id < loads.load_id
    where not events.has_contract
),

-- A status that the seed did not list is read by the next contracts whose seed does (R21).
next_statuses as (
    select
        events.organization_id,
        events.event_id,
        statuses.status,
        loads.loaded_at,
        row_number() over (
            partition by events.organization_id, events.event_id
            order by loads.load_id
        ) as status_rank
    from events
    inner join touched on events.enrollment_key = touched.enrollment_key
    inner join statuses on lower({{ strip('events.raw_status') }}) = statuses.raw_status
    inner join loads on statuses.contracts = loads.contracts and events.load_id < loads.load_id
    where events.status is null and statuses.kind = 'enrollment'
),

read_events as (
    select
        events.event_number,
        events.event_id,
        events.enrollment_key,
        events.organization_id,
        events.payment_method_id,
        case
            when events.has_contract then events.customer_id
            else
                coalesce(
                    {{ normalize_customer_id(
                        'events.customer_id', 'next_contracts.customer_id_scheme'
                    ) }},
                    events.customer_id
                )
        end as customer_id,
        events.type,
        events.products,
        events.raw_status,
        coalesce(events.status, next_statuses.status) as status,
        events.occurred_at,
        coalesce(next_statuses.loaded_at, loads.loaded_at) as loaded_at
    from events
    inner join touched on events.enrollment_key = touched.enrollment_key
    inner join loads on events.load_id = loads.load_id
    left join next_contracts
        on
            events.organization_id = next_contracts.organization_id
            and events.event_id = next_contracts.event_id
            and next_contracts.contract_rank = 1
    left join next_statuses
        on
            events.organization_id = next_statuses.organization_id
            and events.event_id = next_statuses.event_id
            and next_statuses.status_rank = 1
),

keyed as (
    select
        *,
        {{ hash_customer('organization_id', 'customer_id') }} as id_key
    from read_events
),

-- An event of unknown status does not change its method; a method with only such events waits.
ranked as (
    select
        *,
        min(case when status is not null then loaded_at end) over (
            partition by enrollment_key, id_key
        ) as understood_at,
        max(case when status is null then 1 else 0 end) over (
            partition by enrollment_key
        ) = 1 as has_unknown_status,
        row_number() over (
            partition by enrollment_key
            order by
                case when status is null then 1 else 0 end,
                occurred_at desc,
                event_number desc
        ) as event_rank
    from keyed
),

met as (
    select
        ranked.*,
        case
            when ranked.status is null then 'unknown_status'
            when customers.customer_id is null then 'unknown_customer'
        end as code,
        greatest(ranked.understood_at, customers.created_at) as met_at
    from ranked
    left join customers on ranked.id_key = customers.id_key
    where ranked.event_rank = 1
),

judged as (
    select
        organization_id,
        payment_method_id,
        customer_id,
        type,
        products,
        status as method_status,
        raw_status,
        case when code is null then 'accepted' else 'waiting' end as status,
        code,
        has_unknown_status,
        case when code is null then met_at end as accepted_at,
        occurred_at,
        event_id,
        case
            when code is null then greatest(loaded_at, met_at)
            else loaded_at
        end as updated_at,
        enrollment_key
    from met
),

changed as (
    select judged.*
    from judged
    {%- if is_incremental() %}
    left join {{ this }} as former on judged.enrollment_key = former.enrollment_key
    where
        former.enrollment_key is null
        or judged.updated_at is distinct from former.updated_at
        or judged.event_id is distinct from former.event_id
        or judged.customer_id is distinct from former.customer_id
        or judged.status is distinct from former.status
        or judged.has_unknown_status is distinct from former.has_unknown_status
    {%- endif %}
)

select * from changed
