with source as (
    select * from {{ source('raw', 'payment_event_ranges') }}
),

renamed as (
    select
        load_id,
        source_file,
        line_count
    from source
)

select * from renamed
