-- Compare each submitted file with the earlier files of its organization: whether it repeats one,
-- is too late, has a new contract, or may be cut off.
with submitted as (
    select * from {{ ref('int_intake_files__submitted') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

judged_before as (
    select * from {{ ref('int_intake_files__judged_before') }}
),

applied as (
    select
        files.organization_id,
        judged_before.update_mode,
        files.customer_id_scheme,
        files.currency,
        files.business_date,
        files.load_id,
        row_number() over (
            partition by files.organization_id
            order by files.business_date desc, files.load_id desc
        ) as newness
    from files
    inner join judged_before on files.file_id = judged_before.file_id
    where
        judged_before.verdict = 'applied'
        and files.kind = 'invoices'
),

-- The file that the same bytes repeat: the last received file of the same name, in any letter case,
-- that is not itself a repetition. A workbook of customers may be renamed, and a refused one may be
-- uploaded again after a contract change, so for workbooks it is the last applied one.
former_versions as (
    select
        submitted.file_id,
        files.sha256,
        row_number() over (
            partition by submitted.file_id
            order by files.load_id desc
        ) as version_rank
    from submitted
    inner join files
        on
            submitted.organization_id = files.organization_id
            and submitted.kind = files.kind
            and (
                lower(submitted.file_name) = lower(files.file_name)
                or submitted.kind = 'customers'
            )
            and submitted.load_id > files.load_id
    inner join judged_before on files.file_id = judged_before.file_id
    -- a refused file may be valid now, after a correction of its contract
    where
        judged_before.verdict = 'applied'
        or (
            submitted.kind <> 'customers'
            and judged_before.verdict not in ('refused', 'duplicate')
        )
),

-- R13: whether the last record of the previously applied file had its line end. A file that was
-- cut off inside an amount states another amount, in either mode.
former_endings as (
    select
        submitted.file_id,
        files.ends_with_line_end,
        row_number() over (
            partition by submitted.file_id
            order by files.load_id desc
        ) as ending_rank
    from submitted
    inner join files
        on
            submitted.organization_id = files.organization_id
            and submitted.kind = files.kind
            and submitted.load_id > files.load_id
    inner join judged_before
        on
            files.file_id = judged_before.file_id
            and judged_before.verdict = 'applied'
    where submitted.kind = 'invoices'
),

-- R11: under another id scheme or currency, the same debts have other keys or amounts. Then a file
-- in `upsert` mode also states the whole base: the debts under the old contract end with it.
contracted as (
    select
        submitted.file_id,
        applied.organization_id is not null
        and (
            submitted.customer_id_scheme is distinct from applied.customer_id_scheme
            or submitted.currency is distinct from applied.currency
        ) as has_new_contract
    from submitted
    left join applied
        on
            submitted.organization_id = applied.organization_id
            and submitted.kind = 'invoices'
            and applied.newness = 1
),

-- R8: files apply in (business date, received) order. A replace file states the whole base, so an
-- older file is too late, whatever its own mode.
newer_applied as (
    select
        submitted.file_id,
        count(*) as newer_count,
        count(case when applied.update_mode = 'replace' then 1 end) as newer_replace_count
    from submitted
    inner join applied
        on
            submitted.organization_id = applied.organization_id
            and submitted.kind = 'invoices'
            and {{ is_earlier('submitted', 'applied', 'load_id') }}
    group by submitted.file_id
),

compared as (
    select
        submitted.file_id,
        coalesce(submitted.sha256 = former_versions.sha256, false) as is_duplicate,
        contracted.has_new_contract,
        newer_applied.newer_count is not null as is_late,
        newer_applied.newer_count is not null
        and (
            submitted.update_mode = 'replace'
            or contracted.has_new_contract
            or newer_applied.newer_replace_count > 0
        ) as is_overtaken,
        coalesce(
            submitted.decision is null
            and not submitted.ends_with_line_end
            and former_endings.ends_with_line_end,
            false
        ) as is_maybe_truncated
    from submitted
    inner join contracted on submitted.file_id = contracted.file_id
    left join former_versions
        on
            submitted.file_id = former_versions.file_id
            and former_versions.version_rank = 1
    left join newer_applied on submitted.file_id = newer_applied.file_id
    left join former_endings
        on
            submitted.file_id = former_endings.file_id
            and former_endings.ending_rank = 1
)

select * from compared
