-- The totals of each payments file in its manifest, by status and currency. A publication without
-- payments has one row that says so.
with publications as (
    select * from {{ ref('int_publications__opened') }}
),

lines as (
    select * from {{ ref('payments_file_lines') }}
),

totals as (
    select
        publications.organization_id,
        publications.business_date,
        publications.load_id,
        {{ name_payments_file('publications.business_date', 'csv') }} as file_name,
        lines.status,
        lines.currency,
        count(lines.payment_id) as line_count,
        {{ format_amount('coalesce(sum(lines.amount), 0)', 'lines.currency', "'.'") }}
            as total_amount,
        min(lines.occurred_at) as first_event_at,
        max(lines.occurred_at) as last_event_at
    from publications
    left join lines
        on
            publications.organization_id = lines.organization_id
            and publications.business_date = lines.business_date
    group by
        publications.organization_id,
        publications.business_date,
        publications.load_id,
        lines.status,
        lines.currency
)

select * from totals
