-- Money that no payments file contains yet (R23, R25). Each row is a time at which the lines of a
-- part of a payment did not sum to the received amount less the amount given back.
with held as (
    select * from {{ ref('int_money__held') }}
    where held_amount <> 0
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

unpublished_money as (
    select
        'unpublished_money' as code,
        concat(held.payment_key, '|', held.currency) as subject,
        held.organization_id,
        held.payment_id,
        held.debt_id,
        loads.loaded_at as began_at,
        held.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        held.next_load_id is null as is_open,
        held.currency,
        case when held.next_load_id is null then held.held_amount else 0 end as held_amount
    from held
    inner join loads on held.load_id = loads.load_id
)

select * from unpublished_money
