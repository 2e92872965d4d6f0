{%- set base = source('base', 'debts') -%}
{%- set columns = [
    ('debt_id', dbt.type_string()),
    ('organization_id', dbt.type_string()),
    ('customer_id', dbt.type_string()),
    ('product_id', dbt.type_string()),
    ('due_date', 'date'),
    ('amount', var('money_type')),
    ('currency', dbt.type_string()),
    ('attributes', dbt.type_string()),
    ('status', dbt.type_string()),
    ('file_status', dbt.type_string()),
    ('first_file_id', dbt.type_string()),
    ('version_file_id', dbt.type_string()),
    ('version_line_number', 'bigint'),
] -%}

with source as (
    {{ select_from_former_load(base, columns) }}
),

renamed as (
    select
        -- ids
        debt_id,
        organization_id,
        customer_id,
        product_id,
        first_file_id,
        version_file_id,
        version_line_number,

        -- amounts
        amount,
        currency,

        -- dates
        due_date,

        -- what is known of it
        status,
        file_status,
        attributes
    from source
)

select * from renamed
