-- The combined result of all attempts to deliver a file (R24): a success, whatever a later
-- `republish` did; else an outcome that is left to people; else the newest attempt. The ledger has
-- one attempt for each file and delivery step.
with attempts as (
    select * from {{ ref('stg_deliveries__attempts') }}
),

counted as (
    select * from {{ ref('stg_deliveries__attempts') }}
),

summed as (
    select
        organization_id,
        file_name,
        load_id,
        count(*) as attempt_count,
        min(attempted_at) as first_attempted_at,
        max(attempted_at) as last_attempted_at,
        min(case when {{ is_delivered('outcome') }} then attempted_at end) as delivered_at,
        min(batch_id) as first_batch_id,
        min(case when {{ is_delivered('outcome') }} then batch_id end) as first_delivery_id,
        max(batch_id) as last_batch_id,
        max(case when is_in_doubt then batch_id end) as last_doubt_id,
        coalesce(
            max(case when {{ is_delivered('outcome') }} then batch_id end),
            max(case when {{ is_left_to_people('outcome') }} then batch_id end),
            max(batch_id)
        ) as standing_batch_id
    from counted
    group by
        organization_id,
        file_name,
        load_id
),

attempted as (
    select
        summed.organization_id,
        summed.file_name,
        summed.load_id,
        summed.attempt_count,
        summed.first_attempted_at,
        summed.last_attempted_at,
        summed.delivered_at,
        coalesce(summed.first_delivery_id = summed.first_batch_id, false)
            as is_delivered_at_first,
        coalesce(summed.last_doubt_id = summed.last_batch_id, false) as is_in_doubt,
        attempts.business_date,
        attempts.kind,
        attempts.sha256,
        attempts.byte_count,
        attempts.outcome,
        attempts.detail,
        attempts.batch_id,
        summed.first_delivery_id is not null as is_delivered,
        {{ is_left_to_people('attempts.outcome') }} as is_left_to_people
    from summed
    inner join attempts
        on
            summed.organization_id = attempts.organization_id
            and summed.file_name = attempts.file_name
            and summed.load_id = attempts.load_id
            and summed.standing_batch_id = attempts.batch_id
)

select * from attempted
