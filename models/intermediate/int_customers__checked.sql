{{ config(materialized='incremental', incremental_strategy='append') }}

with customers as (
    select * from {{ ref('stg_intake__customers') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {{ only_new_loads() }}
),

coded as (
    select
        customers.*,
        coalesce(
            customers.cell_code,
            {{ find_customer_code('customers') }},
            case
                when customers.name is null then 'missing_name'
                when customers.attribute_length > 256 then 'attribute_too_long'
            end
        ) as row_code
    from customers
    inner join loads on customers.load_id = loads.load_id
),

keyed as (
    select
        *,
        case
            when row_code is null
                then {{ hash_customer('organization_id', 'customer_id') }}
        end as customer_key
    from coded
),

-- Two valid rows for one customer: the last line wins (R15).
repeated as (
    select
        file_id,
        customer_key,
        max(line_number) as last_line_number
    from keyed
    where row_code is null
    group by file_id, customer_key
    having count(*) > 1
),

checked as (
    select
        keyed.load_id,
        keyed.file_id,
        keyed.line_number,
        keyed.organization_id,
        keyed.customer_key,
        keyed.customer_id,
        keyed.name,
        coalesce(keyed.usable_mail, keyed.mail) as mail,
        case
            when keyed.usable_mail is not null then 'usable'
            when keyed.mail is not null then 'invalid'
            else 'missing'
        end as mail_status,
        keyed.attributes,
        case
            when keyed.row_code is not null then keyed.row_code
            when keyed.line_number < repeated.last_line_number then 'duplicate_customer'
        end as rejection_code
    from keyed
    left join repeated
        on
            keyed.file_id = repeated.file_id
            and keyed.customer_key = repeated.customer_key
)

select * from checked
