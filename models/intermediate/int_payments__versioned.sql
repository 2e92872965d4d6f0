-- A payment as the end of each load that changed it knew it: of the events so far, the latest by
-- (occurred_at, loaded order) (R21). A version is a fact of its load, whatever comes later, and so
-- is where its organization was.
{{ config(materialized='incremental', unique_key='payment_version_id') }}

with events as (
    select * from {{ ref('int_payment_events__understood') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_kept') }}
),

{% if is_incremental() -%}
touched as (
    select distinct
        events.organization_id,
        events.payment_id
    from events
    inner join loads on events.load_id = loads.load_id
    where loads.is_current
),
{% endif -%}

followed as (
    select
        events.*,
        loads.loaded_at,
        max(events.occurred_at) over (
            partition by events.organization_id, events.payment_id
            order by events.load_id, events.event_number
            rows between unbounded preceding and 1 preceding
        ) as former_occurred_at
    from events
    inner join loads on events.load_id = loads.load_id
    {%- if is_incremental() %}
    inner join touched
        on
            events.organization_id = touched.organization_id
            and events.payment_id = touched.payment_id
    {%- endif %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by organization_id, payment_id, load_id
            order by event_number desc
        ) as load_rank
    from followed
    where
        former_occurred_at is null
        or occurred_at >= former_occurred_at
),

sequenced as (
    select
        *,
        lag(status) over (
            partition by organization_id, payment_id
            order by load_id
        ) as former_status
    from ranked
    where load_rank = 1
),

versioned as (
    select
        md5(concat(organization_id, '|', payment_id)) as payment_key,
        load_id,
        organization_id,
        payment_id,
        {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }} as debt_id,
        amount,
        currency,
        channel,
        status,
        occurred_at,
        event_id,
        loaded_at as valid_from,
        case
            when status = 'in_process'
                then max(
                    case
                        when former_status = 'in_process' then null
                        when status = 'in_process' then occurred_at
                    end
                ) over (
                    partition by organization_id, payment_id
                    order by load_id
                    rows between unbounded preceding and current row
                )
        end as in_process_since
    from sequenced
),

localised as (
    select
        md5(
            concat(
                versioned.payment_key,
                '|',
                cast(versioned.load_id as {{ dbt.type_string() }})
            )
        ) as payment_version_id,
        versioned.*,
        organizations.country,
        cast(
            {{ in_time_zone('versioned.in_process_since', 'organizations.time_zone') }} as date
        ) as in_process_on
    from versioned
    inner join loads on versioned.load_id = loads.load_id
    inner join organizations
        on
            loads.contracts = organizations.contracts
            and versioned.organization_id = organizations.organization_id
)

select * from localised
