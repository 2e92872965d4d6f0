-- A payment's customer is read by its organization's scheme, its status and channel by the seeds,
-- all as they were when its load was made.
with source as (
    select * from {{ source('raw', 'payment_events') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations_of_loads') }}
),

statuses as (
    select * from {{ ref('stg_contracts__statuses_of_loads') }}
),

channels as (
    select * from {{ ref('stg_contracts__channels_of_loads') }}
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
            {{ normalise_customer_id('source.customer_id', 'organizations.customer_id_scheme') }},
            trim(source.customer_id)
        ) as customer_id,
        trim(source.product_id) as product_id,

        -- amounts
        cast(source.amount as decimal(18, 2)) as amount,
        source.currency,

        -- dates and times
        cast(source.due_date as date) as due_date,
        {{ parse_instant('source.occurred_at') }} as occurred_at,

        -- what happened
        source.status as raw_status,
        statuses.status,
        source.reason,
        trim(source.channel) as channel,
        coalesce(channels.label, trim(source.channel)) as channel_label,

        -- who it is of
        organizations.organization_id is not null as has_contract,

        -- where it came from
        source.source_file,
        source.line_number
    from source
    left join organizations
        on
            source.load_id = organizations.load_id
            and source.organization_id = organizations.organization_id
    left join statuses
        on
            source.load_id = statuses.load_id
            and lower(trim(source.status)) = statuses.raw_status
            and statuses.kind = 'payment'
    left join channels
        on
            source.load_id = channels.load_id
            and lower(trim(source.channel)) = channels.raw_channel
)

select * from renamed
