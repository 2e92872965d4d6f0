-- Events that could not be interpreted, that are ahead of their time, or whose id arrived before
-- with other content (R21). Each row is a time at which the condition of its code became true.
with events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

understood as (
    select * from {{ ref('int_payment_events__understood') }}
),

counted as (
    select
        *,
        {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }} as debt_id
    from understood
),

contradicted as (
    select * from {{ ref('int_payment_events__contradicted') }}
),

payments as (
    select * from {{ ref('payments') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

newest_load as (
    select max(loaded_at) as loaded_at
    from loads
),

concerned as (
    select
        events.*,
        loads.loaded_at,
        {{ hash_debt(
            'events.organization_id', 'events.customer_id', 'events.product_id', 'events.due_date'
        ) }} as debt_id,
        {{ hash_debt(
            'events.organization_id',
            'coalesce(understood.customer_id, events.customer_id)',
            'events.product_id',
            'events.due_date'
        ) }} as counted_debt_id,
        events.occurred_at > loads.loaded_at + interval '1' day as is_ahead
    from events
    inner join loads on events.load_id = loads.load_id
    left join understood on events.event_number = understood.event_number
    where
        events.status is null
        or events.occurred_at > loads.loaded_at + interval '1' day
),

keyed as (
    select
        *,
        {{ hash_payment('organization_id', 'payment_id', 'debt_id') }} as payment_key,
        -- its customer was as it is written until there was a contract that says how to read it
        {{ hash_payment('organization_id', 'payment_id', 'counted_debt_id') }}
            as counted_payment_key
    from concerned
),

not_understood as (
    select
        case when keyed.has_contract then 'unknown_status' else 'unknown_organization' end
            as code,
        keyed.payment_key as subject,
        keyed.organization_id,
        keyed.payment_id,
        keyed.debt_id,
        keyed.loaded_at as began_at,
        keyed.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        payments.payment_key is null
        or keyed.occurred_at > payments.occurred_at
        or (
            keyed.occurred_at = payments.occurred_at
            and keyed.event_number > payments.event_number
        ) as is_open
    from keyed
    left join payments on keyed.counted_payment_key = payments.payment_key
    where keyed.status is null
),

ahead_of_time as (
    select
        'ahead_of_time' as code,
        keyed.payment_key as subject,
        keyed.organization_id,
        keyed.payment_id,
        keyed.debt_id,
        keyed.loaded_at as began_at,
        keyed.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        keyed.occurred_at > newest_load.loaded_at as is_open
    from keyed
    cross join newest_load
    where keyed.is_ahead
),

contradicted_parts as (
    select distinct
        organization_id,
        payment_id,
        debt_id
    from contradicted
),

newest_counted as (
    select
        contradicted_parts.organization_id,
        contradicted_parts.payment_id,
        contradicted_parts.debt_id,
        max(counted.event_number) as event_number
    from contradicted_parts
    inner join counted
        on
            contradicted_parts.organization_id = counted.organization_id
            and contradicted_parts.payment_id = counted.payment_id
            and contradicted_parts.debt_id = counted.debt_id
    group by
        contradicted_parts.organization_id,
        contradicted_parts.payment_id,
        contradicted_parts.debt_id
),

repeated_otherwise as (
    select
        'repeated_otherwise' as code,
        {{ hash_payment(
            'contradicted.organization_id', 'contradicted.payment_id', 'contradicted.debt_id'
        ) }} as subject,
        contradicted.organization_id,
        contradicted.payment_id,
        contradicted.debt_id,
        loads.loaded_at as began_at,
        contradicted.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        coalesce(newest_counted.event_number < contradicted.event_number, true) as is_open
    from contradicted
    inner join loads on contradicted.load_id = loads.load_id
    left join newest_counted
        on
            contradicted.organization_id = newest_counted.organization_id
            and contradicted.payment_id = newest_counted.payment_id
            and contradicted.debt_id = newest_counted.debt_id
),

begun as (
    select * from not_understood
    union all
    select * from ahead_of_time
    union all
    select * from repeated_otherwise
)

select * from begun
