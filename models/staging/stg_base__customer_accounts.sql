{%- set base = source('base', 'customer_accounts') -%}
{%- set columns = [
    ('organization_id', dbt.type_string()),
    ('customer_id', dbt.type_string()),
    ('name', dbt.type_string()),
    ('mail', dbt.type_string()),
    ('currency', dbt.type_string()),
    ('active_method_count', dbt.type_bigint()),
    ('waiting_method_count', dbt.type_bigint()),
    ('is_created', dbt.type_boolean()),
    ('is_owing', dbt.type_boolean()),
    ('is_reachable', dbt.type_boolean()),
    ('is_campaign_contact', dbt.type_boolean()),
] -%}

with source as (
    {{ select_from_former_load(base, columns) }}
),

renamed as (
    select
        -- ids
        organization_id,
        customer_id,
        {{ normal_id('customer_id') }} as normal_id,

        -- what is said of the customer
        name,
        mail,
        currency,
        active_method_count,
        waiting_method_count,
        is_created,
        is_owing,
        is_reachable,
        is_campaign_contact
    from source
)

select * from renamed
