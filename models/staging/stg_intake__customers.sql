-- The file says by which scheme its customers are known: hence the join.
with source as (
    select * from {{ source('raw', 'customers') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

renamed as (
    select
        -- ids
        source.load_id,
        source.file_id,
        source.line_number,
        files.organization_id,
        files.customer_id_scheme,
        {{ spell_id('source.customer_id') }} as customer_id_text,
        {{ normalise_customer_id('source.customer_id', 'files.customer_id_scheme') }}
            as customer_id,

        -- who it is
        nullif(trim(source.name), '') as name,
        nullif(trim(source.mail), '') as mail,
        source.usable_mail,

        -- what else the row says
        source.attributes,
        source.attribute_length,

        -- why a cell cannot be read
        source.cell_code
    from source
    inner join files on source.file_id = files.file_id
)

select * from renamed
