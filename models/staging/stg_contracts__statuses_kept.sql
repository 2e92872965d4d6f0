-- The meanings of event statuses in the contracts of past loads.
with source as (
    select * from {{ source('raw', 'contract_statuses') }}
),

renamed as (
    select
        contracts,
        kind,
        raw_status,
        status
    from source
)

select * from renamed
