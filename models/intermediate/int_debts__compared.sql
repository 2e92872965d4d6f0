-- Compare each file that may be applied, now or after an operator's decision, with the base as the
-- previous load left it. A row is a debt whose file state changes, or a debt in process that the
-- file does not list. Large relations are imported once per reader: an engine materializes a CTE
-- that two readers share.
{{ config(materialized='table') }}

with screened as (
    select * from {{ ref('int_intake_files__screened') }}
),

received_invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

newer_invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

base as (
    select * from {{ ref('stg_base__debts') }}
),

known as (
    select * from {{ ref('stg_base__debts') }}
),

listed_before as (
    select * from {{ ref('stg_base__debts') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

verdicts as (
    select * from {{ ref('stg_verdicts__files') }}
),

candidates as (
    select
        file_id,
        load_id,
        judging_load_id,
        organization_id,
        update_mode,
        business_date,
        is_late
    from screened
    where
        kind = 'invoices'
        and screening in ('candidate', 'held')
),

-- A late file changes only debts that no newer applied file lists with a valid row (R8).
touched_since as (
    select distinct
        late.file_id,
        newer_invoices.debt_id
    from candidates as late
    inner join files
        on
            late.organization_id = files.organization_id
            and (
                late.business_date < files.business_date
                or (late.business_date = files.business_date and late.load_id < files.load_id)
            )
    inner join verdicts
        on
            files.file_id = verdicts.file_id
            and verdicts.verdict = 'applied'
            and late.judging_load_id > verdicts.load_id
    inner join newer_invoices
        on
            files.load_id = newer_invoices.load_id
            and files.file_id = newer_invoices.file_id
    where
        late.is_late
        and newer_invoices.rejection_code is null
),

-- The rows of the files to compare.
invoices as (
    select
        received_invoices.file_id,
        received_invoices.line_number,
        received_invoices.organization_id,
        received_invoices.debt_id,
        received_invoices.readable_customer_id,
        received_invoices.readable_product_id,
        received_invoices.readable_due_date,
        received_invoices.customer_id,
        received_invoices.product_id,
        received_invoices.due_date,
        received_invoices.amount,
        received_invoices.currency,
        received_invoices.attributes,
        received_invoices.is_paid,
        received_invoices.is_void,
        received_invoices.rejection_code,
        candidates.update_mode
    from received_invoices
    inner join candidates
        on
            received_invoices.load_id = candidates.load_id
            and received_invoices.file_id = candidates.file_id
),

listed as (
    select
        invoices.file_id,
        invoices.line_number,
        invoices.organization_id,
        invoices.debt_id,
        invoices.customer_id,
        invoices.product_id,
        invoices.due_date,
        invoices.amount,
        invoices.currency,
        invoices.attributes,
        case
            when invoices.is_paid then 'paid'
            when invoices.is_void then 'void'
            else 'listed'
        end as file_status
    from invoices
    left join touched_since
        on
            invoices.file_id = touched_since.file_id
            and invoices.debt_id = touched_since.debt_id
    where
        invoices.rejection_code is null
        and touched_since.debt_id is null
),

-- R5: a refused row keeps the debts that it may refer to; only replace files remove debts.
partial_keys as (
    select distinct
        file_id,
        organization_id,
        readable_customer_id,
        readable_product_id,
        readable_due_date
    from invoices
    where
        rejection_code is not null
        and update_mode = 'replace'
        and (readable_customer_id is not null or readable_product_id is not null)
),

debts_at_stake as (
    select
        debt_id,
        organization_id,
        {{ normal_id('customer_id') }} as customer_id,
        {{ normal_id('product_id') }} as product_id,
        due_date
    from listed_before
    where
        file_status in ('listed', 'rejected_row')
        and organization_id in (select partial_keys.organization_id from partial_keys)
),

rejected as (
    select
        file_id,
        debt_id
    from invoices
    where
        rejection_code is not null
        and debt_id is not null
        and update_mode = 'replace'
    union distinct
    {{ find_agreeing_debts('partial_keys', 'debts_at_stake') }}
),

-- Debts that a replace file removes because it does not list them, or keeps because their payment
-- is in process.
left_out as (
    select
        base.*,
        candidates.file_id as candidate_file_id,
        candidates.update_mode
    from base
    inner join candidates on base.organization_id = candidates.organization_id
    where
        candidates.update_mode = 'replace'
        and (base.file_status in ('listed', 'rejected_row') or base.status = 'in_process')
),

-- Any other debt matters only if the file refers to it, so old closed debts cost only a lookup of
-- their keys.
mentioned as (
    select
        known.*,
        candidates.file_id as candidate_file_id,
        candidates.update_mode
    from known
    inner join candidates on known.organization_id = candidates.organization_id
    where
        not (
            candidates.update_mode = 'replace'
            and (known.file_status in ('listed', 'rejected_row') or known.status = 'in_process')
        )
        and exists (
            select 1
            from invoices
            where
                invoices.debt_id = known.debt_id
                and invoices.file_id = candidates.file_id
        )
),

candidate_base as (
    select * from left_out
    union all
    select * from mentioned
),

paired as (
    select
        coalesce(listed.file_id, candidate_base.candidate_file_id) as file_id,
        coalesce(listed.debt_id, candidate_base.debt_id) as debt_id,
        coalesce(listed.organization_id, candidate_base.organization_id) as organization_id,
        -- spelled as in the row that made the debt known
        coalesce(candidate_base.customer_id, listed.customer_id) as customer_id,
        coalesce(candidate_base.product_id, listed.product_id) as product_id,
        coalesce(listed.due_date, candidate_base.due_date) as due_date,
        coalesce(listed.amount, candidate_base.amount) as amount,
        coalesce(listed.currency, candidate_base.currency) as currency,
        case
            when listed.debt_id is not null then listed.attributes
            else candidate_base.attributes
        end as attributes,
        candidate_base.first_file_id,
        candidate_base.version_file_id,
        candidate_base.version_line_number,
        listed.line_number,
        candidate_base.update_mode,
        candidate_base.status as former_status,
        candidate_base.file_status as former_file_status,
        listed.file_status as listed_file_status,
        listed.debt_id is not null as is_listed,
        candidate_base.debt_id is not null as is_known,
        listed.debt_id is not null
        and candidate_base.debt_id is not null
        and (
            listed.amount is distinct from candidate_base.amount
            or listed.currency is distinct from candidate_base.currency
            or listed.attributes is distinct from candidate_base.attributes
        ) as has_other_values
    from listed
    full outer join candidate_base
        on
            listed.debt_id = candidate_base.debt_id
            and listed.file_id = candidate_base.candidate_file_id
),

stated as (
    select
        paired.*,
        case
            when paired.is_listed then paired.listed_file_status
            when
                paired.update_mode = 'upsert' or paired.former_file_status in ('paid', 'void')
                then paired.former_file_status
            when rejected.debt_id is not null then 'rejected_row'
            else 'absent'
        end as file_status
    from paired
    left join rejected
        on
            paired.debt_id = rejected.debt_id
            and paired.file_id = rejected.file_id
),

changed as (
    select
        file_id,
        debt_id,
        organization_id,
        customer_id,
        product_id,
        due_date,
        amount,
        currency,
        attributes,
        file_status,
        coalesce(first_file_id, file_id) as first_file_id,
        case when is_listed then file_id else version_file_id end as version_file_id,
        case when is_listed then line_number else version_line_number end as version_line_number,
        former_status,
        is_listed,
        case
            when not is_known then 'new'
            when is_listed then 'changed'
            when former_status = 'in_process' then 'kept_in_process'
            when file_status = 'rejected_row' then 'kept_rejected_row'
            when former_status = 'pending' then 'withdrawn'
            else 'closed'
        end as change
    from stated
    where
        not is_known
        or has_other_values
        or file_status is distinct from former_file_status
        or (
            former_status = 'in_process'
            and not is_listed
            and update_mode = 'replace'
        )
)

select * from changed
