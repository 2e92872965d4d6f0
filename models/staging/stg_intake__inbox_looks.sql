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
        files_taken,

        -- the form of its payments file, as the contract had it then
        payment_flow,
        time_zone,
        delimiter,
        decimal_separator,
        date_format
    from source
)

select * from renamed
