-- R5: the debts that a refused row of a replace file keeps, because it may refer to them. Only
-- replace files remove debts.
with screened as (
    select * from {{ ref('int_intake_files__screened') }}
    where
        kind = 'invoices'
        and screening in ('candidate', 'held')
        and update_mode = 'replace'
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
    where rejection_code is not null
),

base as (
    select * from {{ ref('stg_base__debts') }}
),

refused as (
    select invoices.*
    from invoices
    inner join screened
        on
            invoices.load_id = screened.load_id
            and invoices.file_id = screened.file_id
),

partial_keys as (
    select distinct
        file_id,
        organization_id,
        readable_customer_id,
        readable_product_id,
        readable_due_date
    from refused
    where readable_customer_id is not null or readable_product_id is not null
),

debts_at_stake as (
    select
        debt_id,
        organization_id,
        {{ normal_id('customer_id') }} as customer_id,
        {{ normal_id('product_id') }} as product_id,
        due_date
    from base
    where
        file_status in ('listed', 'rejected_row')
        and organization_id in (select partial_keys.organization_id from partial_keys)
),

spared as (
    select
        file_id,
        debt_id
    from refused
    where debt_id is not null
    union distinct
    {{ find_agreeing_debts('partial_keys', 'debts_at_stake') }}
)

select * from spared
