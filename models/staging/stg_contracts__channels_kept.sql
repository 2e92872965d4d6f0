-- What channels are called, by the contracts that loads were made with.
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
