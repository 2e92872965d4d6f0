-- The contracts of past loads, for their events and those that waited: a later change of a
-- contract never reinterprets an event (R9, R11).
with source as (
    select * from {{ source('raw', 'contract_organizations') }}
),

renamed as (
    select
        contracts,
        organization_id,
        country,
        time_zone,
        customer_id_scheme
    from source
)

select * from renamed
