with source as (
    select * from {{ source('raw', 'inbox_looks') }}
),

renamed as (
    select
        load_id,
        organization_id,

        -- the result of the check
        outcome,
        detail,
        files_seen,
        files_taken,

        -- the form of its payments file in the contract at that time
        payment_flow,
        time_zone,
        delimiter,
        decimal_separator,
        date_format
    from source
)

select * from renamed
