-- What the statuses of events meant when a load was made.
with source as (
    select * from {{ source('raw', 'contract_statuses') }}
),

loads as (
    select * from {{ source('raw', 'loads') }}
),

of_loads as (
    select
        loads.load_id,
        contracts.kind,
        contracts.raw_status,
        contracts.status
    from loads
    inner join source as contracts on loads.contracts = contracts.contracts
)

select * from of_loads
