with source as (
    select * from {{ source('raw', 'intake_file_columns') }}
),

renamed as (
    select
        -- ids
        file_id,
        load_id,
        column_number,

        -- what it is called, and taken for
        nullif(column_name, '') as column_name,
        field,
        attribute_name
    from source
)

select * from renamed
