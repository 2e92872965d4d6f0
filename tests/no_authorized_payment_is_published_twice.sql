-- Assumes R23: a payment is told as authorised once, and again only after it was told as reversed.
-- A row here means that an organization booked the same money twice, or took back money that it
-- was never told of.
{{ config(meta={'dagster': {'ref': {'name': 'payments_file_lines'}}}) }}

with lines as (
    select * from {{ ref('payments_file_lines') }}
),

told as (
    select
        organization_id,
        payment_id,
        sum(case status when 'autorizado' then 1 when 'reversado' then -1 else 0 end)
            as authorized_count
    from lines
    group by organization_id, payment_id
),

unbalanced as (
    select *
    from told
    where authorized_count not in (0, 1)
)

select * from unbalanced
