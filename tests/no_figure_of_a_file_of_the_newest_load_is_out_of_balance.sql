-- Assumes R19: of each file, records = accepted + refused, and so the amounts that can be read.
-- A row here means that an organization is told figures that do not add up, and that nobody can
-- say which of its debts were taken.
{{ config(meta={'dagster': {'ref': {'name': 'intake_files'}}}) }}

with files as (
    select * from {{ ref('intake_files') }}
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

recognized as (
    select * from {{ ref('int_invoices__recognized') }}
    where part = 'same'
),

organization_payments as (
    select * from {{ ref('int_organization_payments__checked') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    {% if not var('tests_every_row') %}where is_current{% endif %}
),

amounts as (
    select
        invoices.file_id,
        sum(invoices.amount) as amount
    from invoices
    inner join loads on invoices.load_id = loads.load_id
    where not invoices.is_recognized
    group by invoices.file_id
    union all
    select
        file_id,
        amount
    from recognized
    union all
    select
        organization_payments.file_id,
        sum(organization_payments.amount) as amount
    from organization_payments
    inner join loads on organization_payments.load_id = loads.load_id
    group by organization_payments.file_id
),

unbalanced as (
    select files.file_id
    from files
    inner join loads on files.load_id = loads.load_id
    left join amounts on files.file_id = amounts.file_id
    group by
        files.file_id,
        files.record_count,
        files.accepted_count,
        files.rejected_count,
        files.accepted_amount,
        files.rejected_amount
    having
        files.record_count <> files.accepted_count + files.rejected_count
        or coalesce(sum(amounts.amount), 0) <> files.accepted_amount + files.rejected_amount
)

select * from unbalanced
