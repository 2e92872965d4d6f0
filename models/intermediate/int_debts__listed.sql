-- What the organizations' files alone say of each known debt, from all applied files at once.
with invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

-- R8: files apply in (business date, received) order.
applied as (
    select
        files.file_id,
        files.load_id,
        files.organization_id,
        files.update_mode,
        standing.load_id as applied_load_id,
        standing.judged_at as applied_at,
        row_number() over (
            partition by files.organization_id
            order by files.business_date, files.load_id
        ) as file_order
    from files
    inner join standing on files.file_id = standing.file_id
    where
        standing.verdict = 'applied'
        and files.kind = 'invoices'
),

newest_replace as (
    select
        organization_id,
        max(file_order) as file_order
    from applied
    where update_mode = 'replace'
    group by organization_id
),

valid as (
    select
        invoices.*,
        applied.file_order,
        applied.applied_load_id,
        applied.applied_at
    from invoices
    inner join applied
        on
            invoices.load_id = applied.load_id
            and invoices.file_id = applied.file_id
    where invoices.rejection_code is null
),

-- A debt is known once an applied file listed it with a valid row.
known as (
    select
        debt_id,
        max(file_order) as newest_file_order,
        min(applied_load_id) as first_load_id
    from valid
    group by debt_id
),

first_files as (
    select
        valid.debt_id,
        valid.file_id
    from valid
    inner join known
        on
            valid.debt_id = known.debt_id
            and valid.applied_load_id = known.first_load_id
),

-- R5: a refused row of the newest replace file whose key can be read keeps its debt.
rejected as (
    select distinct invoices.debt_id
    from invoices
    inner join applied
        on
            invoices.load_id = applied.load_id
            and invoices.file_id = applied.file_id
    inner join newest_replace
        on
            applied.organization_id = newest_replace.organization_id
            and applied.file_order = newest_replace.file_order
    where
        invoices.rejection_code is not null
        and invoices.debt_id is not null
),

listed as (
    select
        valid.debt_id,
        valid.organization_id,
        valid.customer_id,
        valid.product_id,
        valid.due_date,
        valid.amount,
        valid.currency,
        valid.attributes,
        case
            when valid.is_paid then 'paid'
            when valid.is_void then 'void'
            when valid.file_order >= coalesce(newest_replace.file_order, 0) then 'listed'
            when rejected.debt_id is not null then 'rejected_row'
            else 'absent'
        end as file_status,
        first_files.file_id as first_file_id,
        valid.file_id as version_file_id,
        valid.line_number as version_line_number,
        valid.applied_at as file_changed_at
    from valid
    inner join known
        on
            valid.debt_id = known.debt_id
            and valid.file_order = known.newest_file_order
    inner join first_files on valid.debt_id = first_files.debt_id
    left join newest_replace on valid.organization_id = newest_replace.organization_id
    left join rejected on valid.debt_id = rejected.debt_id
)

select * from listed
