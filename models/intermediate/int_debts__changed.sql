-- The debts that the current load changed: all that the history has to read (R10).
with debts as (
    select * from {{ ref('debts') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

changed as (
    select debts.*
    from debts
    inner join loads on debts.updated_at = loads.loaded_at
    where loads.is_current
)

select * from changed
