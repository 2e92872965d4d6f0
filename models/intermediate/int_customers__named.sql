-- Every row of a file and every event, with the customer that it names: by whom a person is found
-- who is to be erased. What is no id is compared by what is left of it (`loose_id`).
with invoices as (
    select * from {{ ref('stg_intake__invoices') }}
),

organization_payments as (
    select * from {{ ref('stg_intake__organization_payments') }}
),

customers as (
    select * from {{ ref('stg_intake__customers') }}
),

payment_events as (
    select * from {{ ref('stg_events__payment_events') }}
),

enrollment_events as (
    select * from {{ ref('stg_events__enrollment_events') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

{#- Each with what its columns are null for when they do not hold what they should. -#}
{%- set currency = 'nullif(is_in_contract_currency, false)' %}
{%- set files = [
    ('invoices', {
        'due_date': 'due_date', 'amount': 'amount', 'is_paid': 'is_paid', 'is_void': 'is_void',
        'currency': currency,
    }),
    ('organization_payments', {
        'due_date': 'due_date', 'amount': 'amount', 'paid_on': 'paid_on', 'currency': currency,
    }),
    ('customers', {}),
] %}

named as (
    {%- for source, columns in files %}
    select
        organization_id,
        load_id,
        file_id,
        cast(null as {{ dbt.type_string() }}) as source_file,
        line_number,
        {{ normal_id('customer_id') }} as customer_id,
        {{ strip_id('customer_id_text', 'customer_id_scheme') }} as loose_id,
        {{ name_unread(columns) }} as unread
    from {{ source }}
    union all
    {%- endfor %}
    {%- for source in ['payment_events', 'enrollment_events'] %}
    select
        {{ source }}.organization_id,
        {{ source }}.load_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        {{ source }}.source_file,
        {{ source }}.line_number,
        {{ normal_id(source ~ '.customer_id') }} as customer_id,
        {{ strip_id(source ~ '.customer_id', 'organizations.customer_id_scheme') }} as loose_id,
        cast(null as {{ dbt.type_string() }}) as unread
    from {{ source }}
    left join organizations on {{ source }}.organization_id = organizations.organization_id
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from named
