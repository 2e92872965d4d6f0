with source as (
    select * from {{ source('raw', 'intake_files') }}
),

renamed as (
    select
        -- ids
        file_id,
        load_id,
        organization_id,

        -- the file
        kind,
        file_name,
        nullif(sha256, '') as sha256,
        byte_count,
        encoding,
        record_count,
        ends_with_line_end,

        -- the contract for reading it
        update_mode,
        customer_id_scheme,
        currency,
        date_format,
        decimal_separator,
        max_withdrawal_share,
        max_rejected_share,

        -- why it could not be read
        file_code,
        file_message,

        -- times
        business_date,
        modified_at,
        received_at
    from source
)

select * from renamed
