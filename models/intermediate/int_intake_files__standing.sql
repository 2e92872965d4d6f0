-- The current verdict of each file: the newest one. Verdicts are kept as they were given. A held
-- file is superseded by the load that applies a file that follows it by R8, if one of the two
-- states the whole base: as if the held file had arrived late. The additions of an upsert file are
-- still wanted, unless it is empty or its correction, a newer file of the same name, is applied.
-- `judged_at` stays the time of the comparison.
with judged as (
    select * from {{ ref('int_intake_files__judged') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by file_id
            order by load_id desc
        ) as verdict_rank
    from judged
),

newest as (
    select
        ranked.*,
        files.organization_id,
        files.kind,
        files.update_mode as contract_update_mode,
        files.file_name,
        files.business_date,
        files.load_id as file_load_id
    from ranked
    inner join files on ranked.file_id = files.file_id
    where ranked.verdict_rank = 1
),

overtaken as (
    select
        held.file_id,
        min(applied.load_id) as load_id
    from newest as held
    inner join newest as applied
        on
            held.organization_id = applied.organization_id
            and applied.verdict = 'applied'
            and applied.kind = 'invoices'
            and {{ is_earlier('held', 'applied', 'file_load_id') }}
    where
        held.verdict = 'held'
        and held.kind = 'invoices'
        and (
            held.contract_update_mode = 'replace'
            or held.code = 'empty_file'
            or lower(held.file_name) = lower(applied.file_name)
            or applied.update_mode = 'replace'
        )
    group by held.file_id
),

standing as (
    select
        newest.file_id,
        coalesce(overtaken.load_id, newest.load_id) as load_id,
        case when overtaken.file_id is null then newest.verdict else 'superseded' end as verdict,
        newest.update_mode,
        case when overtaken.file_id is null then newest.code else 'older_than_applied' end as code,
        case when overtaken.file_id is null then newest.further_code end as further_code,
        newest.accepted_count,
        newest.rejected_count,
        newest.unidentified_count,
        newest.accepted_amount,
        newest.rejected_amount,
        -- a file that is not applied makes no difference
        case when overtaken.file_id is null then newest.new_count else 0 end as new_count,
        case when overtaken.file_id is null then newest.changed_count else 0 end as changed_count,
        case when overtaken.file_id is null then newest.unchanged_count else 0 end
            as unchanged_count,
        case when overtaken.file_id is null then newest.withdrawn_count else 0 end
            as withdrawn_count,
        case when overtaken.file_id is null then newest.kept_in_process_count else 0 end
            as kept_in_process_count,
        case when overtaken.file_id is null then newest.pending_count else 0 end as pending_count,
        newest.judged_at
    from newest
    left join overtaken on newest.file_id = overtaken.file_id
)

select * from standing
