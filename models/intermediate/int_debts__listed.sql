-- The state of each known debt by the organizations' files alone, from all applied files at once.
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
        standing.update_mode,
        standing.load_id as applied_load_id,
        standing.judged_at as applied_at,
        row_number() over (
            partition by files.organization_id
            order by files.business_date, files.load_id
        ) as file_order,
        count(case when standing.update_mode = 'replace' then 1 end) over (
            partition by files.organization_id
            order by files.business_date, files.load_id
            rows between unbounded preceding and current row
        ) as replace_count
    from files
    inner join standing on files.file_id = standing.file_id
    where
        standing.verdict = 'applied'
        and files.kind = 'invoices'
),

newest_replace as (
    select
        organization_id,
        max(file_order) as file_order,
        max(replace_count) as replace_count
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

-- The row that made a debt known gives the spelling of its ids (R1).
first_files as (
    select
        valid.debt_id,
        valid.file_id,
        valid.customer_id,
        valid.product_id
    from valid
    inner join known
        on
            valid.debt_id = known.debt_id
            and valid.applied_load_id = known.first_load_id
),

-- R5: a refused row of a replace file keeps the debts that it may refer to. If its whole key can
-- be read, it refers to that debt like a valid row.
refused as (
    select
        invoices.*,
        applied.file_order
    from invoices
    inner join applied
        on
            invoices.load_id = applied.load_id
            and invoices.file_id = applied.file_id
    where
        invoices.rejection_code is not null
        and applied.update_mode = 'replace'
),

named as (
    select
        known.debt_id,
        greatest(known.newest_file_order, coalesce(max(refused.file_order), 0)) as file_order
    from known
    left join refused on known.debt_id = refused.debt_id
    group by known.debt_id, known.newest_file_order
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
        valid.debt_id,
        valid.organization_id,
        {{ normal_id('valid.customer_id') }} as customer_id,
        {{ normal_id('valid.product_id') }} as product_id,
        valid.due_date
    from valid
    inner join known
        on
            valid.debt_id = known.debt_id
            and valid.file_order = known.newest_file_order
    where valid.organization_id in (select partial_keys.organization_id from partial_keys)
),

agreeing as (
    {{ find_agreeing_debts('partial_keys', 'debts_at_stake') }}
),

-- Any other row keeps debts that were in the base: so every replace file since the last one that
-- named the debt must have kept it.
kept as (
    select
        named.debt_id,
        count(applied.file_id) as file_count
    from named
    inner join agreeing on named.debt_id = agreeing.debt_id
    inner join applied
        on
            agreeing.file_id = applied.file_id
            and named.file_order < applied.file_order
    group by named.debt_id
),

listed as (
    select
        valid.debt_id,
        valid.organization_id,
        first_files.customer_id,
        first_files.product_id,
        valid.due_date,
        valid.amount,
        valid.currency,
        valid.attributes,
        case
            when valid.is_paid then 'paid'
            when valid.is_void then 'void'
            when valid.file_order >= coalesce(newest_replace.file_order, 0) then 'listed'
            when
                named_in.replace_count + coalesce(kept.file_count, 0)
                = newest_replace.replace_count
                then 'rejected_row'
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
    inner join named on valid.debt_id = named.debt_id
    inner join applied as named_in
        on
            valid.organization_id = named_in.organization_id
            and named.file_order = named_in.file_order
    left join kept on valid.debt_id = kept.debt_id
)

select * from listed
