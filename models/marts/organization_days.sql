-- A view, because delivery comes after the build: it shows the deliveries at the time of the
-- query.
{{ config(materialized='view') }}

with days as (
    select * from {{ ref('intake_days') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

closed as (
    select * from {{ ref('int_organization_days__closed') }}
),

totals as (
    select * from {{ ref('int_payments_files__totaled') }}
),

deliveries as (
    select * from {{ ref('deliveries') }}
),

received as (
    select
        organization_id,
        business_date,
        count(*) as file_count,
        count(case when status = 'held' then 1 end) as held_count,
        count(case when status = 'refused' then 1 end) as refused_count
    from files
    group by
        organization_id,
        business_date
),

sent as (
    select
        organization_id,
        business_date,
        count(*) as file_count,
        count(case when is_delivered then 1 end) as delivered_count,
        count(case when is_undelivered and not is_left_to_people then 1 end) as undelivered_count,
        count(case when is_left_to_people then 1 end) as left_to_people_count,
        max(case when kind = 'payments_file' then delivered_at end) as payments_file_delivered_at
    from deliveries
    group by
        organization_id,
        business_date
),

organization_days as (
    select
        days.organization_id,
        days.business_date,
        days.status,
        days.file_id,
        days.code,
        days.message,
        days.is_inbox_read,
        days.inbox_code,
        days.inbox_message,
        days.file_id is not null as has_arrived,
        days.status = 'applied' as is_applied,
        days.status = 'held' as is_held,
        days.status = 'refused' as is_refused,
        days.status = 'missing' as is_missing,
        coalesce(days.inbox_code in ('misnamed', 'dated_ahead'), false) as is_near_miss,
        coalesce(received.file_count, 0) as received_file_count,
        coalesce(received.held_count, 0) as held_file_count,
        coalesce(received.refused_count, 0) as refused_file_count,
        days.record_count,
        days.accepted_count,
        days.rejected_count,
        days.currency as file_currency,
        days.accepted_amount,
        days.rejected_amount,
        days.new_count,
        days.changed_count,
        days.withdrawn_count as dropped_count,
        closed.currency,
        {%- for figure in [
            'pending_count', 'in_process_count', 'kept_in_process_count', 'paid_count',
            'withdrawn_count', 'void_count', 'base_count',
        ] %}
        coalesce(closed.{{ figure }}, 0) as {{ figure }},
        {%- endfor %}
        cast(coalesce(closed.base_amount, 0) as {{ var('money_sum_type') }}) as base_amount,
        coalesce(closed.other_currency_count, 0) as other_currency_count,
        coalesce(closed.payment_in_process_count, 0) as payment_in_process_count,
        coalesce(closed.overdue_payment_count, 0) as overdue_payment_count,
        closed.oldest_business_days,
        coalesce(closed.open_exception_count, 0) as open_exception_count,
        closed.oldest_exception_at,
        coalesce(totals.line_count, 0) as told_line_count,
        totals.currency as told_currency,
        {%- for name in ['authorized', 'reversed', 'in_process'] %}
        cast(totals.{{ name }}_amount as {{ var('money_sum_type') }}) as told_{{ name }}_amount,
        {%- endfor %}
        coalesce(sent.file_count, 0) as outgoing_file_count,
        coalesce(sent.delivered_count, 0) as delivered_file_count,
        coalesce(sent.undelivered_count, 0) as undelivered_file_count,
        coalesce(sent.left_to_people_count, 0) as left_to_people_file_count,
        sent.payments_file_delivered_at,
        days.looked_at,
        days.load_id
    from days
    left join closed
        on
            days.organization_id = closed.organization_id
            and days.business_date = closed.business_date
    left join totals
        on
            days.organization_id = totals.organization_id
            and days.business_date = totals.business_date
    left join received
        on
            days.organization_id = received.organization_id
            and days.business_date = received.business_date
    left join sent
        on
            days.organization_id = sent.organization_id
            and days.business_date = sent.business_date
)

select * from organization_days
