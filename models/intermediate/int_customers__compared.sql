-- The valid rows of each workbook that may be applied, against the customers as the former load
-- left them. A row without mail takes none away: it says nothing of it.
with screened as (
    select * from {{ ref('int_intake_files__screened') }}
),

customers as (
    select * from {{ ref('int_customers__checked') }}
),

base as (
    select * from {{ ref('stg_base__customers') }}
),

compared as (
    select
        customers.file_id,
        customers.line_number,
        customers.customer_key,
        customers.customer_id,
        customers.name,
        customers.mail,
        customers.mail_status,
        case
            when base.customer_key is null then 'new'
            when customers.name is distinct from base.name then 'changed'
            when customers.attributes is distinct from base.attributes then 'changed'
            when customers.mail is null then 'unchanged'
            when customers.mail is distinct from base.mail then 'changed'
            when customers.mail_status is distinct from base.mail_status then 'changed'
            else 'unchanged'
        end as change
    from customers
    inner join screened
        on
            customers.load_id = screened.load_id
            and customers.file_id = screened.file_id
            and screened.screening = 'candidate'
    left join base on customers.customer_key = base.customer_key
    where customers.rejection_code is null
)

select * from compared
