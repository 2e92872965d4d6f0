-- The join is needed because the id scheme of the customers is a property of the file.
with source as (
    select * from {{ source('raw', 'customers') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

spelled as (
    select
        source.*,
        files.organization_id,
        files.customer_id_scheme,
        {{ read_customer_id(
            'source', 'files.customer_id_scheme', find_check_digit('source', 'files')
        ) }}
    from source
    inner join files on source.file_id = files.file_id
),

joined as (
    select
        spelled.*,
        {{ join_check_digit('spelled') }} as joined_rut
    from spelled
),

renamed as (
    select
        -- ids
        joined.load_id,
        joined.file_id,
        joined.line_number,
        joined.organization_id,
        joined.customer_id_scheme,
        {{ spell_id('joined.customer_id') }} as customer_id_text,
        {{ choose_customer_id('joined') }} as customer_id,

        -- who it is
        nullif({{ strip('joined.name') }}, '') as name,
        nullif({{ strip('joined.mail') }}, '') as mail,
        joined.usable_mail,

        -- the other columns of the row
        joined.attributes,
        joined.attribute_length,

        -- why a cell cannot be read
        joined.cell_code
    from joined
)

select * from renamed
