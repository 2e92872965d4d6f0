-- The file says how its rows are read (date form, decimal separator, id scheme): hence the join.
with source as (
    select * from {{ source('raw', 'organization_payments') }}
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
        {{ spell_id('source.product_id') }} as product_id,

        -- amounts
        source.amount as amount_text,
        {{ parse_amount('source.amount', 'files.decimal_separator') }} as amount,
        files.currency,

        -- dates
        source.due_date as due_date_text,
        {{ parse_date('source.due_date', 'files.date_format') }} as due_date,
        {{ parse_date('source.paid_on', 'files.date_format') }} as paid_on,

        -- what else the row says
        {{ undo_harmless("nullif(trim(source.channel), '')") }} as channel,
        source.attributes,
        source.attribute_length
    from source
    inner join files on source.file_id = files.file_id
)

select * from renamed
