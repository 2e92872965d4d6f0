{%- set base = source('base', 'customers') -%}
{%- set columns = [
    ('customer_key', dbt.type_string()),
    ('name', dbt.type_string()),
    ('mail', dbt.type_string()),
    ('mail_status', dbt.type_string()),
    ('attributes', dbt.type_string()),
] -%}

with source as (
    {{ select_from_former_load(base, columns) }}
),

renamed as (
    select
        customer_key,
        name,
        mail,
        mail_status,
        attributes
    from source
)

select * from renamed
