-- The names of channels in the contracts of past loads.
with source as (
    select * from {{ source('raw', 'contract_channels') }}
),

renamed as (
    select
        contracts,
        raw_channel,
        label
    from source
)

select * from renamed
