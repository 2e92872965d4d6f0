{%- set base = source('base', 'debts_history') -%}
{%- set columns = [
    ('debt_id', dbt.type_string()),
    ('amount', var('money_type')),
    ('currency', dbt.type_string()),
    ('attributes', dbt.type_string()),
    ('status', dbt.type_string()),
    ('file_status', dbt.type_string()),
    ('payment_id', dbt.type_string()),
    ('paid_because', dbt.type_string()),
    ('dbt_valid_to', dbt.type_timestamp()),
] -%}

with source as (
    {{ select_from_former_load(base, columns) }}
),

renamed as (
    select
        -- ids
        debt_id,
        payment_id,

        -- amounts
        amount,
        currency,

        -- times
        dbt_valid_to as valid_to,

        -- what was known of it
        status,
        file_status,
        paid_because,
        attributes
    from source
)

select * from renamed
