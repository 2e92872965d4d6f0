with source as (
    select * from {{ source('raw', 'intake_files') }}
),

file_columns as (
    select * from {{ source('raw', 'intake_file_columns') }}
),

with_check_digits as (
    select distinct file_id
    from file_columns
    where field = 'check_digit'
),

renamed as (
    select
        -- ids
        source.file_id,
        source.load_id,
        source.organization_id,

        -- the file
        source.kind,
        source.file_name,
        nullif(source.sha256, '') as sha256,
        source.byte_count,
        source.encoding,
        source.record_count,
        source.ends_with_line_end,
        with_check_digits.file_id is not null as has_check_digit,

        -- the contract for reading it
        source.update_mode,
        source.customer_id_scheme,
        source.currency,
        source.date_format,
        source.decimal_separator,
        source.max_withdrawal_share,
        source.max_rejected_share,

        -- why it could not be read
        source.file_code,
        source.file_message,

        -- times
        source.business_date,
        source.modified_at,
        source.received_at
    from source
    left join with_check_digits on source.file_id = with_check_digits.file_id
)

select * from renamed
