with source as (
    select * from {{ source('raw', 'inbox_looks') }}
),

renamed as (
    select
        load_id,
        organization_id,

        -- what came of the look
        outcome,
        detail,
        files_seen,
        files_taken
    from source
)

select * from renamed
