-- The join is needed because date form, decimal separator and id scheme are properties of the
-- file.
with source as (
    select * from {{ source('raw', 'organization_payments') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

spelled as (
    select
        source.*,
        files.organization_id,
        files.customer_id_scheme,
        files.currency as contract_currency,
        files.decimal_separator,
        files.date_format,
        {{ read_customer_id(
            'source', 'files.customer_id_scheme', find_check_digit('source', 'files')
        ) }},
        {{ is_contract_currency('source.currency', 'files.currency') }} as is_in_contract_currency
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
        {{ spell_id('joined.product_id') }} as product_id,

        -- amounts
        joined.amount as amount_text,
        case
            when joined.is_in_contract_currency
                then
                    {{ parse_amount(
                        'joined.amount', 'joined.decimal_separator', 'joined.contract_currency'
                    ) }}
        end as amount,
        joined.contract_currency as currency,
        joined.is_in_contract_currency,

        -- dates
        joined.due_date as due_date_text,
        {{ parse_date('joined.due_date', 'joined.date_format') }} as due_date,
        {{ parse_date('joined.paid_on', 'joined.date_format') }} as paid_on,

        -- the other columns of the row
        {{ undo_harmless('nullif(' ~ strip('joined.channel') ~ ", '')") }} as channel,
        joined.attributes,
        joined.attribute_length
    from joined
)

select * from renamed
