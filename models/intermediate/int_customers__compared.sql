-- The valid rows of each workbook that may be applied, compared with the customers as the previous
-- load left them. A row without a mail keeps the customer's mail.
with screened as (
    select * from {{ ref('int_intake_files__screened') }}
),

customers as (
    select * from {{ ref('int_customers__checked') }}
),

base as (
    select * from {{ ref('stg_base__customers') }}
),

paired as (
    select
        customers.file_id,
        customers.line_number,
        customers.customer_key,
        customers.customer_id,
        customers.name,
        customers.mail,
        customers.mail_status,
        base.customer_key is not null as is_known,
        base.customer_key is not null
        and (
            customers.name is distinct from base.name
            or customers.attributes is distinct from base.attributes
            or (
                customers.mail is not null
                and (
                    customers.mail is distinct from base.mail
                    or customers.mail_status is distinct from base.mail_status
                )
            )
        ) as has_other_values
    from customers
    inner join screened
        on
            customers.load_id = screened.load_id
            and customers.file_id = screened.file_id
            and screened.screening = 'candidate'
    left join base on customers.customer_key = base.customer_key
    where customers.rejection_code is null
),

compared as (
    select
        file_id,
        line_number,
        customer_key,
        customer_id,
        name,
        mail,
        mail_status,
        case
            when not is_known then 'new'
            when has_other_values then 'changed'
            else 'unchanged'
        end as change
    from paired
)

select * from compared
