with source as (
    select * from {{ source('raw', 'intake_decisions') }}
),

renamed as (
    select
        load_id,
        file_id,
        decision,
        decided_at
    from source
)

select * from renamed
