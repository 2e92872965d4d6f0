-- The file says by which scheme its customers are known: hence the join. People type the hyphen of
-- a RUT as a dash of another kind; text programs do it for them.
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
        nullif(trim(source.customer_id), '') as customer_id_text,
        case
            when files.customer_id_scheme = 'rut'
                then {{ normalise_rut("translate(source.customer_id, '‐‑‒–—−', '------')") }}
            else nullif(trim(source.customer_id), '')
        end as customer_id,

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
