with file_columns as (
    select * from {{ ref('stg_intake__file_columns') }}
),

understood as (
    select
        file_id,
        column_number,
        column_name,
        field,
        attribute_name,
        load_id
    from file_columns
)

select * from understood
