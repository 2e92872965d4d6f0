-- The state of each known debt by the organizations' files alone, from all applied files at once.
{#- DuckDB keeps a CTE that is read twice whole in memory, so each CTE reads the rows itself. #}
{%- set from_rows_of_applied_files %}
    from {{ ref('int_invoices__checked') }} as invoices
    inner join applied
        on
            invoices.load_id = applied.load_id
            and invoices.file_id = applied.file_id
{%- endset %}

with files as (
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

-- Debts that several rows state: which of them says how it stands, and which made it known.
stated_again as (
    select
        invoices.debt_id,
        max(applied.file_order) as newest_file_order,
        min(applied.applied_load_id) as first_load_id
    {{- from_rows_of_applied_files }}
    where invoices.rejection_code is null
    group by invoices.debt_id
    having count(*) > 1
),

-- A debt is known once an applied file listed it with a valid row.
known as (
    select
        invoices.*,
        applied.file_order,
        applied.applied_at
    {{- from_rows_of_applied_files }}
    left join stated_again on invoices.debt_id = stated_again.debt_id
    where
        invoices.rejection_code is null
        and applied.file_order = coalesce(stated_again.newest_file_order, applied.file_order)
),

-- The row that made a debt known gives the spelling of its ids (R1).
first_files as (
    select
        invoices.debt_id,
        invoices.file_id,
        invoices.customer_id,
        invoices.product_id
    {{- from_rows_of_applied_files }}
    inner join stated_again
        on
            invoices.debt_id = stated_again.debt_id
            and applied.applied_load_id = stated_again.first_load_id
    where invoices.rejection_code is null
),

-- R5: a refused row of a replace file keeps the debts that it may refer to. If its whole key can
-- be read, it refers to that debt like a valid row.
refused as (
    select
        invoices.*,
        applied.file_order
    {{- from_rows_of_applied_files }}
    where
        invoices.rejection_code is not null
        and applied.update_mode = 'replace'
),

named_by_refused as (
    select
        debt_id,
        max(file_order) as file_order
    from refused
    group by debt_id
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
        invoices.debt_id,
        invoices.organization_id,
        {{ normal_id('invoices.customer_id') }} as customer_id,
        {{ normal_id('invoices.product_id') }} as product_id,
        invoices.due_date,
        greatest(applied.file_order, coalesce(named_by_refused.file_order, 0)) as named_file_order
    {{- from_rows_of_applied_files }}
    left join stated_again on invoices.debt_id = stated_again.debt_id
    left join named_by_refused on invoices.debt_id = named_by_refused.debt_id
    where
        invoices.rejection_code is null
        and applied.file_order = coalesce(stated_again.newest_file_order, applied.file_order)
        and invoices.organization_id in (select partial_keys.organization_id from partial_keys)
),

agreeing as (
    {{ find_agreeing_debts('partial_keys', 'debts_at_stake') }}
),

-- Any other row keeps debts that were in the base: so every replace file since the last one that
-- named the debt must have kept it.
kept as (
    select
        debts_at_stake.debt_id,
        count(*) as file_count
    from debts_at_stake
    inner join agreeing on debts_at_stake.debt_id = agreeing.debt_id
    inner join applied
        on
            agreeing.file_id = applied.file_id
            and debts_at_stake.named_file_order < applied.file_order
    group by debts_at_stake.debt_id
),

listed as (
    select
        known.debt_id,
        known.organization_id,
        coalesce(first_files.customer_id, known.customer_id) as customer_id,
        coalesce(first_files.product_id, known.product_id) as product_id,
        known.due_date,
        known.amount,
        known.currency,
        known.attributes,
        case
            when known.is_paid then 'paid'
            when known.is_void then 'void'
            when known.file_order >= coalesce(newest_replace.file_order, 0) then 'listed'
            when
                named_in.replace_count + coalesce(kept.file_count, 0)
                = newest_replace.replace_count
                then 'rejected_row'
            else 'absent'
        end as file_status,
        coalesce(first_files.file_id, known.file_id) as first_file_id,
        known.file_id as version_file_id,
        known.line_number as version_line_number,
        known.applied_at as file_changed_at
    from known
    left join first_files on known.debt_id = first_files.debt_id
    left join newest_replace on known.organization_id = newest_replace.organization_id
    left join named_by_refused on known.debt_id = named_by_refused.debt_id
    inner join applied as named_in
        on
            known.organization_id = named_in.organization_id
            and greatest(known.file_order, coalesce(named_by_refused.file_order, 0))
            = named_in.file_order
    left join kept on known.debt_id = kept.debt_id
)

select * from listed
