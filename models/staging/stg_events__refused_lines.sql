with source as (
    select * from {{ source('raw', 'payment_event_refusals') }}
),

renamed as (
    select
        load_id,

        -- where it is
        source_file,
        line_number,

        -- why
        code,
        message
    from source
)

select * from renamed
