-- The state of a debt in a currency by its organization's own payments files, at the end of each
-- load that changed it (R6, R25). It counts as paid while more was paid than taken back, by rows
-- with a negative amount, or while its newest row pays. Of a file name, in any letter case, the
-- newest applied version counts. A refused row counts if it pays, for its debt must not be charged,
-- and not otherwise.
{{ config(materialized='incremental', unique_key='own_version_id') }}

with organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
    where debt_id is not null
),

files as (
    select * from {{ ref('stg_intake__files') }}
    where kind = 'payments'
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
    where verdict = 'applied'
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

applied as (
    select
        files.file_id,
        files.load_id,
        standing.load_id as applied_load_id,
        row_number() over (
            partition by files.organization_id
            order by
                files.business_date, standing.load_id, files.received_at nulls first,
                files.file_name nulls first, files.file_id nulls first
        ) as file_rank,
        lead(standing.load_id) over (
            partition by files.organization_id, lower(files.file_name)
            order by
                standing.load_id, files.received_at nulls first,
                files.file_name nulls first, files.file_id nulls first
        ) as replaced_load_id
    from files
    inner join standing on files.file_id = standing.file_id
),

named as (
    select
        organization_payments.organization_id,
        organization_payments.debt_id,
        organization_payments.customer_id,
        organization_payments.product_id,
        organization_payments.due_date,
        organization_payments.line_number,
        organization_payments.amount,
        organization_payments.currency,
        organization_payments.takes_back,
        applied.file_id,
        applied.file_rank,
        applied.applied_load_id,
        applied.replaced_load_id
    from organization_payments
    inner join applied
        on
            organization_payments.load_id = applied.load_id
            and organization_payments.file_id = applied.file_id
    where
        organization_payments.rejection_code is null
        or not organization_payments.takes_back
),

currencies as (
    select
        debt_id,
        currency,
        min(applied_load_id) as first_load_id
    from named
    group by debt_id, currency
),

changes as (
    select
        debt_id,
        applied_load_id as load_id
    from named
    union distinct
    select
        debt_id,
        replaced_load_id as load_id
    from named
),

moments as (
    select
        changes.debt_id,
        changes.load_id
    from changes
    inner join loads on changes.load_id = loads.load_id
    {% if is_incremental() %}where loads.is_current{% endif %}
),

-- The ids as the rows that had come by then spell them.
keys as (
    select
        moments.debt_id,
        moments.load_id,
        min(named.organization_id) as organization_id,
        min(named.customer_id) as customer_id,
        min(named.product_id) as product_id,
        min(named.due_date) as due_date
    from moments
    inner join named
        on
            moments.debt_id = named.debt_id
            and moments.load_id >= named.applied_load_id
    group by moments.debt_id, moments.load_id
),

-- A currency without a valid row left has one row without a file.
rows_so_far as (
    select
        moments.debt_id,
        currencies.currency,
        moments.load_id,
        named.file_id,
        named.applied_load_id,
        named.amount,
        named.takes_back,
        sum(named.amount) over (
            partition by moments.debt_id, currencies.currency, moments.load_id
            order by named.file_rank asc nulls first, named.line_number asc nulls first
            rows between unbounded preceding and current row
        ) as balance,
        row_number() over (
            partition by moments.debt_id, moments.load_id
            order by named.file_rank desc nulls last, named.line_number desc nulls last
        ) as newness
    from moments
    inner join currencies
        on
            moments.debt_id = currencies.debt_id
            and moments.load_id >= currencies.first_load_id
    left join named
        on
            currencies.debt_id = named.debt_id
            and currencies.currency = named.currency
            and moments.load_id >= named.applied_load_id
            and (named.replaced_load_id is null or moments.load_id < named.replaced_load_id)
),

summed as (
    select
        debt_id,
        currency,
        load_id,
        max(case when applied_load_id = load_id then file_id end) as file_id,
        -- an amount taken back beyond what was paid is not carried forward
        cast(
            coalesce(sum(amount), 0) - least(coalesce(min(balance), 0), 0)
            as {{ var('money_sum_type') }}
        ) as paid_amount,
        max(case when file_id is not null and amount is null then 1 else 0 end) = 0
            as has_all_amounts,
        max(case when newness = 1 and takes_back then 1 else 0 end) = 1 as is_taken_back,
        max(case when newness = 1 and not takes_back then 1 else 0 end) = 1 as is_paid_last
    from rows_so_far
    group by debt_id, currency, load_id
),

versioned as (
    select
        md5(
            concat(
                summed.debt_id,
                '|',
                summed.currency,
                '|',
                cast(summed.load_id as {{ dbt.type_string() }})
            )
        ) as own_version_id,
        keys.organization_id,
        summed.debt_id,
        keys.customer_id,
        keys.product_id,
        keys.due_date,
        summed.currency,
        summed.load_id,
        summed.file_id,
        summed.paid_amount,
        summed.has_all_amounts,
        summed.is_taken_back,
        summed.is_paid_last or summed.paid_amount > 0 as is_counted,
        loads.loaded_at as valid_from
    from summed
    inner join keys on summed.debt_id = keys.debt_id and summed.load_id = keys.load_id
    inner join loads on summed.load_id = loads.load_id
)

select * from versioned
