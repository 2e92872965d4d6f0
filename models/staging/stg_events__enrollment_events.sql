-- The customer is read with its organization's scheme, the status with the seed, both as of the
-- time of the load.
with source as (
    select * from {{ source('raw', 'enrollment_events') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_kept') }}
),

statuses as (
    select * from {{ ref('stg_contracts__statuses_kept') }}
),

renamed as (
    select
        -- ids
        source.load_id,
        source.event_number,
        source.event_id,
        source.organization_id,
        source.payment_method_id,
        coalesce(
            {{ normalize_customer_id('source.customer_id', 'organizations.customer_id_scheme') }},
            {{ strip('source.customer_id') }}
        ) as customer_id,

        -- times
        {{ parse_instant('source.occurred_at') }} as occurred_at,

        -- what happened
        lower({{ strip('source.type') }}) as type,
        source.products,
        source.status as raw_status,
        statuses.status,

        -- whose it is
        organizations.organization_id is not null as has_contract,

        -- where it came from
        source.source_file,
        source.line_number
    from source
    inner join loads on source.load_id = loads.load_id
    left join organizations
        on
            loads.contracts = organizations.contracts
            and source.organization_id = organizations.organization_id
    left join statuses
        on
            loads.contracts = statuses.contracts
            and lower({{ strip('source.status') }}) = statuses.raw_status
            and statuses.kind = 'enrollment'
)

select * from renamed
