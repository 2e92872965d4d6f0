-- What the statuses of events mean, by the contracts that loads were made with.
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
