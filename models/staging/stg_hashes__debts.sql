{%- set columns = [
    ('debt_id', dbt.type_string()),
    ('organization_id', dbt.type_string()),
    ('row_hash', row_hash_type()),
    ('amount', var('money_type')),
] -%}

with source as (
    {{ select_from_former_load(source('hashes', 'int_debts__hashed'), columns) }}
),

renamed as (
    select
        debt_id,
        organization_id,
        row_hash,
        amount
    from source
)

select * from renamed
