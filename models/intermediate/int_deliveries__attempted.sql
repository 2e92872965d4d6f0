-- The combined result of all attempts to deliver a file (R24): a success, whatever a later
-- `republish` did; else an outcome that is left to people; else the newest attempt.
with attempts as (
    select * from {{ ref('stg_deliveries__attempts') }}
),

ranked as (
    select
        *,
        {{ is_delivered('outcome') }} as is_success,
        row_number() over (
            partition by organization_id, file_name, load_id
            order by
                case
                    when {{ is_delivered('outcome') }} then 1
                    when {{ is_left_to_people('outcome') }} then 2
                    else 3
                end asc,
                batch_id desc
        ) as standing_rank,
        row_number() over (
            partition by organization_id, file_name, load_id
            order by batch_id asc
        ) as attempt_number,
        row_number() over (
            partition by organization_id, file_name, load_id
            order by batch_id desc
        ) as attempts_from_the_end
    from attempts
),

summed as (
    select
        organization_id,
        file_name,
        load_id,
        count(*) as attempt_count,
        min(attempted_at) as first_attempted_at,
        max(attempted_at) as last_attempted_at,
        min(case when is_success then attempted_at end) as delivered_at,
        max(case when attempt_number = 1 and is_success then 1 else 0 end) = 1
            as is_delivered_at_first,
        max(case when attempts_from_the_end = 1 and is_in_doubt then 1 else 0 end) = 1
            as is_in_doubt
    from ranked
    group by
        organization_id,
        file_name,
        load_id
),

attempted as (
    select
        summed.*,
        ranked.business_date,
        ranked.kind,
        ranked.sha256,
        ranked.byte_count,
        ranked.outcome,
        ranked.detail,
        ranked.batch_id,
        {{ is_delivered('ranked.outcome') }} as is_delivered,
        {{ is_left_to_people('ranked.outcome') }} as is_left_to_people
    from summed
    inner join ranked
        on
            summed.organization_id = ranked.organization_id
            and summed.file_name = ranked.file_name
            and summed.load_id = ranked.load_id
            and ranked.standing_rank = 1
)

select * from attempted
