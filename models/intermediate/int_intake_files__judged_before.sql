-- The newest verdict on each file before this load.
with verdicts as (
    select * from {{ ref('stg_verdicts__files') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    where is_current
),

ranked as (
    select
        verdicts.file_id,
        verdicts.verdict,
        verdicts.update_mode,
        row_number() over (
            partition by verdicts.file_id
            order by verdicts.load_id desc
        ) as verdict_rank
    from verdicts
    inner join loads on verdicts.load_id < loads.load_id
),

judged_before as (
    select
        file_id,
        verdict,
        update_mode
    from ranked
    where verdict_rank = 1
)

select * from judged_before
