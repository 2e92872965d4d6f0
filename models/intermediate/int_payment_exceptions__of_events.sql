-- Events that nobody understood (R21): each row is a moment at which the condition of its code
-- came true.
with events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

payments as (
    select * from {{ ref('payments') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

identified as (
    select
        *,
        {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }} as debt_id
    from events
    where status is null
),

keyed as (
    select
        *,
        {{ hash_payment('organization_id', 'payment_id', 'debt_id') }} as payment_key
    from identified
),

not_understood as (
    select
        case when keyed.has_contract then 'unknown_status' else 'unknown_organization' end
            as code,
        keyed.payment_key as subject,
        keyed.organization_id,
        keyed.payment_id,
        keyed.debt_id,
        loads.loaded_at as began_at,
        keyed.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        payments.payment_key is null
        or keyed.occurred_at > payments.occurred_at
        or (
            keyed.occurred_at = payments.occurred_at
            and keyed.event_number > payments.event_number
        ) as is_open
    from keyed
    inner join loads on keyed.load_id = loads.load_id
    left join payments on keyed.payment_key = payments.payment_key
)

select * from not_understood
