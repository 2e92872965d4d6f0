-- The files that this load must judge, and the part of the verdict that does not depend on the
-- debts.
with files as (
    select * from {{ ref('stg_intake__files') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

decisions as (
    select * from {{ ref('stg_intake__decisions') }}
),

former_verdicts as (
    select * from {{ ref('stg_verdicts__files') }}
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
),

customers as (
    select * from {{ ref('int_customers__checked') }}
),

current_load as (
    select load_id
    from loads
    where is_current
),

standing_verdicts as (
    select
        former_verdicts.file_id,
        former_verdicts.verdict,
        former_verdicts.update_mode,
        row_number() over (
            partition by former_verdicts.file_id
            order by former_verdicts.load_id desc
        ) as verdict_rank
    from former_verdicts
    inner join current_load on former_verdicts.load_id < current_load.load_id
),

applied as (
    select
        files.organization_id,
        standing_verdicts.update_mode,
        files.customer_id_scheme,
        files.currency,
        files.business_date,
        files.load_id,
        row_number() over (
            partition by files.organization_id
            order by files.business_date desc, files.load_id desc
        ) as newness
    from files
    inner join standing_verdicts on files.file_id = standing_verdicts.file_id
    where
        standing_verdicts.verdict_rank = 1
        and standing_verdicts.verdict = 'applied'
        and files.kind = 'invoices'
),

-- The files to judge: those received in this load, and held files decided in it.
questions as (
    select
        files.*,
        current_load.load_id as judging_load_id,
        cast(null as {{ dbt.type_string() }}) as decision
    from files
    inner join current_load on files.load_id = current_load.load_id
    union all
    select
        files.*,
        current_load.load_id as judging_load_id,
        decisions.decision
    from files
    inner join decisions on files.file_id = decisions.file_id
    inner join current_load on decisions.load_id = current_load.load_id
    inner join standing_verdicts on files.file_id = standing_verdicts.file_id
    where
        standing_verdicts.verdict_rank = 1
        and standing_verdicts.verdict = 'held'
),

row_counts as (
    select
        invoices.file_id,
        count(*) as row_count,
        count(invoices.rejection_code) as rejected_count,
        -- rows that keep nothing: neither their customer nor their product can be read (R5)
        count(
            case
                when
                    invoices.debt_id is null
                    and invoices.readable_customer_id is null
                    and invoices.readable_product_id is null
                    then 1
            end
        ) as unidentified_count,
        sum(case when invoices.rejection_code is null then invoices.amount end) as accepted_amount,
        sum(case when invoices.rejection_code is not null then invoices.amount end)
            as rejected_amount
    from invoices
    inner join questions
        on
            invoices.load_id = questions.load_id
            and invoices.file_id = questions.file_id
    group by invoices.file_id
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
    inner join questions
        on
            organization_payments.load_id = questions.load_id
            and organization_payments.file_id = questions.file_id
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
    inner join questions
        on
            customers.load_id = questions.load_id
            and customers.file_id = questions.file_id
    group by customers.file_id
),

-- The file that the same bytes repeat: the last received file of the same name that is not itself
-- a repetition. A workbook of customers may be renamed, and a refused one may be uploaded again
-- after a contract change, so for workbooks it is the last applied one.
former_versions as (
    select
        questions.file_id,
        files.sha256,
        row_number() over (
            partition by questions.file_id
            order by files.load_id desc
        ) as version_rank
    from questions
    inner join files
        on
            questions.organization_id = files.organization_id
            and questions.kind = files.kind
            and (questions.file_name = files.file_name or questions.kind = 'customers')
            and questions.load_id > files.load_id
    inner join standing_verdicts
        on
            files.file_id = standing_verdicts.file_id
            and standing_verdicts.verdict_rank = 1
    -- a refused file may be valid now, after a correction of its contract
    where
        standing_verdicts.verdict = 'applied'
        or (
            questions.kind <> 'customers'
            and standing_verdicts.verdict not in ('refused', 'duplicate')
        )
),

-- R13: whether the last record of the previously applied file had its line end. A file that was
-- cut off inside an amount states another amount, in either mode.
former_endings as (
    select
        questions.file_id,
        files.ends_with_line_end,
        row_number() over (
            partition by questions.file_id
            order by files.load_id desc
        ) as ending_rank
    from questions
    inner join files
        on
            questions.organization_id = files.organization_id
            and questions.kind = files.kind
            and questions.load_id > files.load_id
    inner join standing_verdicts
        on
            files.file_id = standing_verdicts.file_id
            and standing_verdicts.verdict_rank = 1
            and standing_verdicts.verdict = 'applied'
    where questions.kind = 'invoices'
),

-- R11: under another id scheme or currency, the same debts have other keys or amounts. Then a file
-- in `upsert` mode also states the whole base: the debts under the old contract end with it.
contracted as (
    select
        questions.file_id,
        applied.organization_id is not null
        and (
            questions.customer_id_scheme is distinct from applied.customer_id_scheme
            or questions.currency is distinct from applied.currency
        ) as has_new_contract
    from questions
    left join applied
        on
            questions.organization_id = applied.organization_id
            and questions.kind = 'invoices'
            and applied.newness = 1
),

-- R8: files apply in (business date, received) order. A replace file states the whole base, so an
-- older file is too late, whatever its own mode.
newer_applied as (
    select
        questions.file_id,
        count(*) as newer_count,
        count(case when applied.update_mode = 'replace' then 1 end) as newer_replace_count
    from questions
    inner join applied
        on
            questions.organization_id = applied.organization_id
            and questions.kind = 'invoices'
            and (
                questions.business_date < applied.business_date
                or (
                    questions.business_date = applied.business_date
                    and questions.load_id < applied.load_id
                )
            )
    group by questions.file_id
),

measured as (
    select
        questions.*,
        coalesce(row_counts.row_count, 0) as row_count,
        coalesce(row_counts.rejected_count, 0) as rejected_count,
        coalesce(row_counts.unidentified_count, 0) as unidentified_count,
        coalesce(row_counts.accepted_amount, 0) as accepted_amount,
        coalesce(row_counts.rejected_amount, 0) as rejected_amount,
        coalesce(questions.sha256 = former_versions.sha256, false) as is_duplicate,
        contracted.has_new_contract,
        newer_applied.newer_count is not null as is_late,
        newer_applied.newer_count is not null
        and (
            questions.update_mode = 'replace'
            or contracted.has_new_contract
            or newer_applied.newer_replace_count > 0
        ) as is_overtaken,
        coalesce(
            questions.decision is null
            and not questions.ends_with_line_end
            and former_endings.ends_with_line_end,
            false
        ) as is_maybe_truncated
    from questions
    inner join contracted on questions.file_id = contracted.file_id
    left join row_counts on questions.file_id = row_counts.file_id
    left join former_versions
        on
            questions.file_id = former_versions.file_id
            and former_versions.version_rank = 1
    left join newer_applied on questions.file_id = newer_applied.file_id
    left join former_endings
        on
            questions.file_id = former_endings.file_id
            and former_endings.ending_rank = 1
),

coded as (
    select
        *,
        case
            when decision = 'refused' then 'refused_by_operator'
            when is_duplicate then 'same_bytes_again'
            when file_code is not null then file_code
            when rejected_count > max_rejected_share * row_count then 'too_many_rejected_rows'
            when is_overtaken then 'older_than_applied'
            when has_new_contract and decision is null then 'contract_changed'
            when
                kind = 'invoices'
                and update_mode = 'replace'
                and row_count = 0
                and decision is null
                then 'empty_file'
        end as screen_code
    from measured
),

screened as (
    select
        file_id,
        judging_load_id,
        load_id,
        organization_id,
        kind,
        case when has_new_contract then 'replace' else update_mode end as update_mode,
        business_date,
        is_late,
        decision,
        is_maybe_truncated,
        max_withdrawal_share,
        row_count,
        rejected_count,
        unidentified_count,
        accepted_amount,
        rejected_amount,
        screen_code,
        case screen_code
            when 'same_bytes_again' then 'duplicate'
            when 'older_than_applied' then 'superseded'
            when 'contract_changed' then 'held'
            when 'empty_file' then case when file_code is null then 'held' else 'refused' end
            else case when screen_code is null then 'candidate' else 'refused' end
        end as screening
    from coded
)

select * from screened
