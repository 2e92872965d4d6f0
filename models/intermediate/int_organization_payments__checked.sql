-- The rows of the organizations' own payments files with their codes (R15). A negative amount is
-- valid: it takes back a payment (R25). So does one that cannot be read, but has a minus.
{{ config(materialized='incremental', incremental_strategy='append') }}

with organization_payments as (
    select * from {{ ref('stg_intake__organization_payments') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

coded as (
    select
        organization_payments.*,
        coalesce(
            {{ find_customer_code('organization_payments') }},
            {{ find_product_code('organization_payments') }},
            {{ find_due_date_code('organization_payments') }}
        ) as key_code,
        case
            when not organization_payments.is_in_contract_currency then 'other_currency'
            when
                organization_payments.amount is null
                and organization_payments.amount_text is not null
                then 'invalid_amount'
            when organization_payments.attribute_length > 256 then 'attribute_too_long'
        end as value_code
    from organization_payments
    inner join loads on organization_payments.load_id = loads.load_id
),

checked as (
    select
        load_id,
        file_id,
        line_number,
        organization_id,
        case
            when key_code is null
                then {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }}
        end as debt_id,
        customer_id,
        product_id,
        due_date,
        amount,
        coalesce(amount < 0, {{ looks_negative('amount_text') }}, false) as takes_back,
        currency,
        channel,
        paid_on,
        coalesce(key_code, value_code) as rejection_code
    from coded
)

select * from checked
