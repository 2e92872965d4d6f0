-- A view, because delivery comes after the build: it shows the ledger at the time of the query.
{{ config(materialized='view') }}

with listed as (
    select * from {{ ref('int_outgoing_files__listed') }}
),

attempted as (
    select * from {{ ref('int_deliveries__attempted') }}
),

totals as (
    select * from {{ ref('int_payments_files__totaled') }}
),

organizations as (
    select * from {{ ref('organization_contracts') }}
),

-- A file that was sent stays a delivery even if it no longer belongs in an outbox.
named as (
    select
        organization_id,
        file_name,
        load_id,
        business_date,
        kind
    from listed
    union distinct
    select
        organization_id,
        file_name,
        load_id,
        business_date,
        kind
    from attempted
),

ranked as (
    select
        *,
        row_number() over (
            partition by organization_id, file_name
            order by load_id desc
        ) as load_rank
    from named
),

standing as (
    select
        ranked.organization_id,
        ranked.business_date,
        ranked.kind,
        ranked.file_name,
        ranked.load_id,
        listed.delivery_order,
        listed.published_at,
        coalesce(listed.is_finished, false) as is_finished,
        attempted.sha256,
        attempted.byte_count,
        coalesce(attempted.attempt_count, 0) as attempt_count,
        attempted.first_attempted_at,
        attempted.last_attempted_at,
        attempted.delivered_at,
        attempted.outcome,
        attempted.detail,
        attempted.batch_id,
        coalesce(attempted.is_delivered, false) as is_delivered,
        coalesce(attempted.is_left_to_people, false) as is_left_to_people,
        coalesce(attempted.is_in_doubt, false) as is_in_doubt,
        coalesce(not attempted.is_delivered_at_first, false) as is_late,
        organizations.organization_id is not null as has_contract
    from ranked
    left join listed
        on
            ranked.organization_id = listed.organization_id
            and ranked.file_name = listed.file_name
            and ranked.load_id = listed.load_id
    left join attempted
        on
            ranked.organization_id = attempted.organization_id
            and ranked.file_name = attempted.file_name
            and ranked.load_id = attempted.load_id
    left join organizations on ranked.organization_id = organizations.organization_id
    where ranked.load_rank = 1
),

deliveries as (
    select
        standing.organization_id,
        standing.business_date,
        standing.kind,
        standing.file_name,
        standing.load_id,
        standing.delivery_order,
        standing.published_at,
        case
            when standing.kind in ('payments_file', 'payments_manifest')
                then coalesce(totals.line_count, 0)
        end as line_count,
        totals.currency,
        cast(totals.authorized_amount as {{ var('money_sum_type') }}) as authorized_amount,
        cast(totals.reversed_amount as {{ var('money_sum_type') }}) as reversed_amount,
        cast(totals.in_process_amount as {{ var('money_sum_type') }}) as in_process_amount,
        standing.sha256,
        standing.byte_count,
        standing.attempt_count,
        standing.first_attempted_at,
        standing.last_attempted_at,
        standing.delivered_at,
        standing.outcome,
        standing.detail,
        standing.batch_id,
        standing.is_finished as is_published,
        standing.is_delivered,
        standing.is_left_to_people,
        standing.is_in_doubt,
        standing.is_late,
        standing.is_finished
        and not standing.is_delivered
        and (standing.is_in_doubt or not standing.is_left_to_people) as is_due,
        standing.has_contract
        and (standing.is_finished or standing.attempt_count > 0)
        and not standing.is_delivered as is_undelivered
    from standing
    left join totals
        on
            standing.organization_id = totals.organization_id
            and standing.business_date = totals.business_date
            and standing.kind in ('payments_file', 'payments_manifest')
)

select * from deliveries
