-- The customer is read with its organization's scheme, the status and channel with the seeds, all
-- as of the time of the load.
with source as (
    select * from {{ source('raw', 'payment_events') }}
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

channels as (
    select * from {{ ref('stg_contracts__channels_kept') }}
),

renamed as (
    select
        -- ids
        source.load_id,
        source.event_number,
        source.event_id,
        source.organization_id,
        source.payment_id,
        coalesce(
            {{ normalize_customer_id('source.customer_id', 'organizations.customer_id_scheme') }},
            {{ strip('source.customer_id') }}
        ) as customer_id,
        coalesce(
            {{ spell_id('source.product_id') }}, {{ strip('source.product_id') }}
        ) as product_id,

        -- amounts
        cast(source.amount as {{ var('money_type') }}) as amount,
        source.currency,

        -- dates and times
        cast(source.due_date as date) as due_date,
        {{ parse_instant('source.occurred_at') }} as occurred_at,

        -- what happened
        source.status as raw_status,
        statuses.status,
        source.reason,
        {{ strip('source.channel') }} as channel,
        coalesce(channels.label, {{ strip('source.channel') }}) as channel_label,

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
            and statuses.kind = 'payment'
    left join channels
        on
            loads.contracts = channels.contracts
            and lower({{ strip('source.channel') }}) = channels.raw_channel
)

select * from renamed
