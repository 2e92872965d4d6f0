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
        load_id
    from listed
    union all
    select
        organization_id,
        file_name,
        load_id
    from attempted
),

newest as (
    select
        organization_id,
        file_name,
        max(load_id) as load_id
    from named
    group by
        organization_id,
        file_name
),

standing as (
    select
        newest.organization_id,
        newest.file_name,
        newest.load_id,
        coalesce(listed.business_date, attempted.business_date) as business_date,
        coalesce(listed.kind, attempted.kind) as kind,
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
    from newest
    left join listed
        on
            newest.organization_id = listed.organization_id
            and newest.file_name = listed.file_name
            and newest.load_id = listed.load_id
    left join attempted
        on
            newest.organization_id = attempted.organization_id
            and newest.file_name = attempted.file_name
            and newest.load_id = attempted.load_id
    left join organizations on newest.organization_id = organizations.organization_id
),

-- The date whose lines a file holds; an answer holds none. A column, because engines compare each
-- row with each other one where the condition of a left join says more than what is equal.
dated as (
    select
        *,
        case when kind in ('payments_file', 'payments_manifest') then business_date end
            as paid_date
    from standing
),

deliveries as (
    select
        dated.organization_id,
        dated.business_date,
        dated.kind,
        dated.file_name,
        dated.load_id,
        dated.delivery_order,
        dated.published_at,
        case when dated.paid_date is not null then coalesce(totals.line_count, 0) end
            as line_count,
        totals.currency,
        cast(totals.authorized_amount as {{ var('money_sum_type') }}) as authorized_amount,
        cast(totals.reversed_amount as {{ var('money_sum_type') }}) as reversed_amount,
        cast(totals.in_process_amount as {{ var('money_sum_type') }}) as in_process_amount,
        dated.sha256,
        dated.byte_count,
        dated.attempt_count,
        dated.first_attempted_at,
        dated.last_attempted_at,
        dated.delivered_at,
        dated.outcome,
        dated.detail,
        dated.batch_id,
        dated.is_finished as is_published,
        dated.is_delivered,
        dated.is_left_to_people,
        dated.is_in_doubt,
        dated.is_late,
        dated.is_finished
        and not dated.is_delivered
        and (dated.is_in_doubt or not dated.is_left_to_people) as is_due,
        dated.has_contract
        and (dated.is_finished or dated.attempt_count > 0)
        and not dated.is_delivered as is_undelivered
    from dated
    left join totals
        on
            dated.organization_id = totals.organization_id
            and dated.paid_date = totals.business_date
)

select * from deliveries
