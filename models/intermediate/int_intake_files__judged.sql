-- Each verdict with the difference that the file made or would have made. A verdict depends on its
-- time (the breaker compares with that day's base), so it is written once and kept.
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with screened as (
    select * from {{ ref('int_intake_files__screened') }}
),

compared as (
    select * from {{ ref('int_debts__compared') }}
),

compared_customers as (
    select * from {{ ref('int_customers__compared') }}
),

base as (
    select * from {{ ref('stg_base__debts') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

differences as (
    select
        file_id,
        count(case when change = 'new' then 1 end) as new_count,
        count(case when change = 'changed' then 1 end) as changed_count,
        count(case when change = 'withdrawn' then 1 end) as withdrawn_count,
        count(case when change = 'kept_in_process' then 1 end) as kept_in_process_count
    from compared
    group by file_id
    union all
    select
        file_id,
        count(case when change = 'new' then 1 end) as new_count,
        count(case when change = 'changed' then 1 end) as changed_count,
        0 as withdrawn_count,
        0 as kept_in_process_count
    from compared_customers
    group by file_id
),

pending as (
    select
        screened.file_id,
        count(*) as pending_count
    from base
    inner join screened
        on
            base.organization_id = screened.organization_id
            and screened.screening in ('candidate', 'held')
            and screened.kind = 'invoices'
    where base.status = 'pending'
    group by screened.file_id
),

weighed as (
    select
        screened.*,
        loads.loaded_at as judged_at,
        coalesce(differences.new_count, 0) as new_count,
        coalesce(differences.changed_count, 0) as changed_count,
        coalesce(differences.withdrawn_count, 0) as withdrawn_count,
        coalesce(differences.kept_in_process_count, 0) as kept_in_process_count,
        coalesce(pending.pending_count, 0) as pending_count,
        screened.screening = 'candidate' and coalesce(screened.is_maybe_truncated, false)
            as may_be_half,
        screened.screening = 'candidate'
        and screened.kind = 'invoices'
        and screened.decision is null
        and coalesce(differences.withdrawn_count, 0)
        > screened.max_withdrawal_share * coalesce(pending.pending_count, 0) as trips_breaker
    from screened
    inner join loads on screened.judging_load_id = loads.load_id
    left join differences on screened.file_id = differences.file_id
    left join pending on screened.file_id = pending.file_id
),

judged as (
    select
        file_id,
        judging_load_id as load_id,
        case
            when may_be_half or trips_breaker then 'held'
            when screening = 'candidate' then 'applied'
            else screening
        end as verdict,
        update_mode,
        case
            when may_be_half then 'maybe_truncated'
            when trips_breaker then 'too_many_withdrawals'
            else screen_code
        end as code,
        case
            when screen_code in ('contract_changed', 'empty_file') and is_maybe_truncated
                then 'maybe_truncated'
            when may_be_half and trips_breaker then 'too_many_withdrawals'
        end as further_code,
        -- if a file is refused, every row is refused
        case when screening = 'refused' then 0 else row_count - rejected_count end
            as accepted_count,
        case when screening = 'refused' then row_count else rejected_count end as rejected_count,
        unidentified_count,
        cast(
            case when screening = 'refused' then 0 else accepted_amount end
            as {{ var('money_sum_type') }}
        ) as accepted_amount,
        cast(
            case
                when screening = 'refused' then accepted_amount + rejected_amount
                else rejected_amount
            end
            as {{ var('money_sum_type') }}
        ) as rejected_amount,
        new_count,
        changed_count,
        case
            when screening in ('candidate', 'held') and kind in ('invoices', 'customers')
                then row_count - rejected_count - new_count - changed_count
            else 0
        end as unchanged_count,
        withdrawn_count,
        kept_in_process_count,
        pending_count,
        judged_at
    from weighed
    {{ only_new_verdicts('weighed', 'judging_load_id') }}
)

select * from judged
