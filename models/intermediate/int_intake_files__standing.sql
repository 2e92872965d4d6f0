-- Each file's verdict that stands: the newest.
with judged as (
    select * from {{ ref('int_intake_files__judged') }}
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

standing as (
    select
        file_id,
        load_id,
        verdict,
        update_mode,
        code,
        accepted_count,
        rejected_count,
        unidentified_count,
        accepted_amount,
        rejected_amount,
        new_count,
        changed_count,
        unchanged_count,
        withdrawn_count,
        kept_in_process_count,
        pending_count,
        judged_at
    from ranked
    where verdict_rank = 1
)

select * from standing
