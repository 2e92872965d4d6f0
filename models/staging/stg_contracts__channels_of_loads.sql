-- What channels were called when a load was made.
with source as (
    select * from {{ source('raw', 'contract_channels') }}
),

loads as (
    select * from {{ source('raw', 'loads') }}
),

of_loads as (
    select
        loads.load_id,
        contracts.raw_channel,
        contracts.label
    from loads
    inner join source as contracts on loads.contracts = contracts.contracts
)

select * from of_loads
