-- The state of a part of a payment at the end of each load that changed it, from all its events so
-- far, in order (R21). A version belongs to its load and does not depend on later ones. The same
-- holds for the organization's country and time zone.
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
concerned as (
    select distinct
        events.organization_id,
        events.payment_id
    from events
    inner join loads on events.load_id = loads.load_id
    where loads.is_current
),
{% endif -%}

identified as (
    select
        events.*,
        {{ hash_debt(
            'events.organization_id', 'events.customer_id', 'events.product_id', 'events.due_date'
        ) }} as debt_id
    from events
    {%- if is_incremental() %}
    inner join concerned
        on
            events.organization_id = concerned.organization_id
            and events.payment_id = concerned.payment_id
    {%- endif %}
),

keyed as (
    select
        *,
        {{ hash_payment('organization_id', 'payment_id', 'debt_id') }} as payment_key
    from identified
),

touched as (
    select distinct
        payment_key,
        load_id
    from keyed
),

folded as (
    select
        touched.payment_key,
        touched.load_id,
        min(keyed.organization_id) as organization_id,
        min(keyed.payment_id) as payment_id,
        min(keyed.debt_id) as debt_id,
        {{ fold_payment_events('keyed') }} as state
    from touched
    inner join keyed
        on
            touched.payment_key = keyed.payment_key
            and touched.load_id >= keyed.load_id
    group by
        touched.payment_key,
        touched.load_id
),

states as (
    select
        folded.payment_key,
        folded.load_id,
        folded.organization_id,
        folded.payment_id,
        folded.debt_id,
        folded.state.amount,
        folded.state.currency,
        folded.state.status,
        cast(
            coalesce(folded.state.received_amount, 0) as {{ var('money_type') }}
        ) as received_amount,
        folded.state.reversed_amount,
        folded.state.occurred_at,
        folded.state.event_id,
        folded.state.uncounted_event_id
    from folded
),

sequenced as (
    select
        *,
        lag(status) over load_order as former_status,
        lag(amount) over load_order as former_amount,
        lag(currency) over load_order as former_currency,
        lag(received_amount) over load_order as former_received_amount,
        lag(reversed_amount) over load_order as former_reversed_amount,
        lag(event_id) over load_order as former_event_id,
        lag(uncounted_event_id) over load_order as former_uncounted_event_id
    from states
    window load_order as (partition by payment_key order by load_id)
),

versioned as (
    select
        *,
        case
            when status = 'in_process'
                then max(
                    case
                        when former_status = 'in_process' then null
                        when status = 'in_process' then occurred_at
                    end
                ) over (
                    partition by payment_key
                    order by load_id
                    rows between unbounded preceding and current row
                )
        end as in_process_since
    from sequenced
),

-- A late event may change nothing.
changed as (
    select *
    from versioned
    where
        former_event_id is distinct from event_id
        or former_status is distinct from status
        or former_amount is distinct from amount
        or former_currency is distinct from currency
        or former_received_amount is distinct from received_amount
        or former_reversed_amount is distinct from reversed_amount
        or former_uncounted_event_id is distinct from uncounted_event_id
),

localized as (
    select
        md5(
            concat(
                changed.payment_key,
                '|',
                cast(changed.load_id as {{ dbt.type_string() }})
            )
        ) as payment_version_id,
        changed.payment_key,
        changed.load_id,
        changed.organization_id,
        changed.payment_id,
        changed.debt_id,
        changed.amount,
        changed.currency,
        events.channel,
        changed.status,
        changed.received_amount,
        changed.reversed_amount,
        changed.occurred_at,
        changed.event_id,
        changed.uncounted_event_id,
        loads.loaded_at as valid_from,
        changed.in_process_since,
        organizations.country,
        cast(
            {{ in_time_zone('changed.in_process_since', 'organizations.time_zone') }} as date
        ) as in_process_on
    from changed
    inner join events
        on
            changed.organization_id = events.organization_id
            and changed.event_id = events.event_id
    inner join loads on changed.load_id = loads.load_id
    inner join organizations
        on
            loads.contracts = organizations.contracts
            and changed.organization_id = organizations.organization_id
    {%- if is_incremental() %}
    where loads.is_current
    {%- endif %}
)

select * from localized
