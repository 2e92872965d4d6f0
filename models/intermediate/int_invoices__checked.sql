{{ config(materialized='incremental', incremental_strategy='append') }}

with invoices as (
    select * from {{ ref('stg_intake__invoices') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

coded as (
    select
        invoices.*,
        {{ find_customer_code('invoices') }} as customer_code,
        {{ find_product_code('invoices') }} as product_code,
        {{ find_due_date_code('invoices') }} as due_date_code,
        case
            when not invoices.is_in_contract_currency then 'other_currency'
            when invoices.amount is null then 'invalid_amount'
            when invoices.amount < 0 then 'negative_amount'
            when invoices.is_paid is null or invoices.is_void is null then 'invalid_flag'
            when invoices.attribute_length > 256 then 'attribute_too_long'
        end as value_code
    from invoices
    inner join loads on invoices.load_id = loads.load_id
),

keyed as (
    select
        *,
        coalesce(customer_code, product_code, due_date_code) as key_code
    from coded
),

-- The readable parts of a key that cannot be read as a whole (R5).
hashed as (
    select
        *,
        case
            when key_code is null
                then {{ hash_debt('organization_id', 'customer_id', 'product_id', 'due_date') }}
        end as debt_id,
        case
            when key_code is not null and customer_code is null then {{ normal_id('customer_id') }}
        end as readable_customer_id,
        case
            when key_code is not null and product_code is null then {{ normal_id('product_id') }}
        end as readable_product_id,
        case when key_code is not null and due_date_code is null then due_date end
            as readable_due_date,
        coalesce(key_code, value_code) as row_code
    from keyed
),

-- Two valid rows with one key: the last line wins (R15).
repeated as (
    select
        file_id,
        debt_id,
        max(line_number) as last_line_number
    from hashed
    where row_code is null
    group by file_id, debt_id
    having count(*) > 1
),

checked as (
    select
        hashed.load_id,
        hashed.file_id,
        hashed.line_number,
        hashed.organization_id,
        hashed.debt_id,
        hashed.readable_customer_id,
        hashed.readable_product_id,
        hashed.readable_due_date,
        hashed.customer_id,
        hashed.product_id,
        hashed.due_date,
        hashed.amount,
        hashed.currency,
        hashed.is_paid,
        hashed.is_void,
        hashed.attributes,
        case
            when hashed.row_code is not null then hashed.row_code
            when hashed.line_number < repeated.last_line_number then 'duplicate_key'
        end as rejection_code
    from hashed
    left join repeated
        on
            hashed.file_id = repeated.file_id
            and hashed.debt_id = repeated.debt_id
)

select * from checked
