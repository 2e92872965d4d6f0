with source as (
    select * from {{ source('raw', 'deliveries') }}
),

renamed as (
    select
        -- ids
        batch_id,
        organization_id,
        file_name,
        load_id,

        -- the file
        business_date,
        kind,
        sha256,
        byte_count,

        -- the outcome of the attempt
        attempted_at,
        outcome,
        detail,
        is_in_doubt
    from source
)

select * from renamed
