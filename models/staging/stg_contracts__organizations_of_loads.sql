-- The contracts that a load was made with, for its events and those that waited: a later change
-- of contract never reinterprets an event (R9, R11).
with source as (
    select * from {{ source('raw', 'contract_organizations') }}
),

loads as (
    select * from {{ source('raw', 'loads') }}
),

of_loads as (
    select
        loads.load_id,
        contracts.organization_id,
        contracts.country,
        contracts.time_zone,
        contracts.customer_id_scheme
    from loads
    inner join source as contracts on loads.contracts = contracts.contracts
)

select * from of_loads
