-- The rows of each submitted file: their number, the number of refused ones, and their amounts.
with submitted as (
    select * from {{ ref('int_intake_files__submitted') }}
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

read as (
    select * from {{ ref('int_intake_files__read') }}
    where is_judged
),

-- What is the same as in the listed debts is accepted; a row of it that had to be read after all
-- is counted there.
same as (
    select
        file_id,
        row_count,
        amount
    from {{ ref('int_invoices__recognized') }}
    where part = 'same'
),

organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
),

customers as (
    select * from {{ ref('int_customers__checked') }}
),

checked as (
    select
        invoices.file_id,
        count(case when not invoices.is_recognized then 1 end) as row_count,
        count(invoices.rejection_code) as rejected_count,
        -- rows that keep no debt: neither their customer nor their product is readable (R5)
        count(
            case
                when
                    invoices.debt_id is null
                    and invoices.readable_customer_id is null
                    and invoices.readable_product_id is null
                    then 1
            end
        ) as unidentified_count,
        sum(
            case
                when invoices.is_recognized and invoices.rejection_code is not null
                    then -invoices.amount
                when not invoices.is_recognized and invoices.rejection_code is null
                    then invoices.amount
            end
        ) as accepted_amount,
        sum(case when invoices.rejection_code is not null then invoices.amount end)
            as rejected_amount
    from invoices
    inner join read
        on
            invoices.load_id = read.load_id
            and invoices.file_id = read.file_id
    group by invoices.file_id
),

counted as (
    select
        read.file_id,
        coalesce(same.row_count, 0) + coalesce(checked.row_count, 0) as row_count,
        coalesce(checked.rejected_count, 0) as rejected_count,
        coalesce(checked.unidentified_count, 0) as unidentified_count,
        coalesce(same.amount, 0) + coalesce(checked.accepted_amount, 0) as accepted_amount,
        coalesce(checked.rejected_amount, 0) as rejected_amount
    from read
    left join same on read.file_id = same.file_id
    left join checked on read.file_id = checked.file_id
    union all
    select
        organization_payments.file_id,
        count(*) as row_count,
        count(organization_payments.rejection_code) as rejected_count,
        0 as unidentified_count,
        sum(
            case
                when organization_payments.rejection_code is null
                    then organization_payments.amount
            end
        ) as accepted_amount,
        sum(
            case
                when organization_payments.rejection_code is not null
                    then organization_payments.amount
            end
        ) as rejected_amount
    from organization_payments
    inner join submitted
        on
            organization_payments.load_id = submitted.load_id
            and organization_payments.file_id = submitted.file_id
    group by organization_payments.file_id
    union all
    select
        customers.file_id,
        count(*) as row_count,
        count(customers.rejection_code) as rejected_count,
        0 as unidentified_count,
        0 as accepted_amount,
        0 as rejected_amount
    from customers
    inner join submitted
        on
            customers.load_id = submitted.load_id
            and customers.file_id = submitted.file_id
    group by customers.file_id
)

select * from counted
