-- Why a customer cannot be erased now: the organization still claims something, or has yet to be
-- told of it.
with debts as (
    select * from {{ ref('debts') }}
),

payments as (
    select * from {{ ref('payments') }}
),

lines as (
    select * from {{ ref('payments_file_lines') }}
),

invoices as (
    select * from {{ ref('stg_intake__invoices') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

deliveries as (
    select * from {{ ref('deliveries') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

published as (
    select
        organization_id,
        payment_id,
        debt_id,
        sum(amount) as amount
    from lines
    where status in ('autorizado', 'reversado')
    group by
        organization_id,
        payment_id,
        debt_id
),

claims as (
    select
        organization_id,
        customer_id,
        'in_base' as reason
    from debts
    where is_in_base
    union all
    -- the next debts file of an organization in replace mode will list whom the newest lists
    select
        debts.organization_id,
        debts.customer_id,
        'listed' as reason
    from debts
    inner join organizations on debts.organization_id = organizations.organization_id
    where
        organizations.update_mode = 'replace'
        and debts.file_status in ('listed', 'rejected_row')
    union all
    select
        organization_id,
        customer_id,
        'in_process' as reason
    from payments
    where status = 'in_process'
    union all
    select
        payments.organization_id,
        payments.customer_id,
        'untold' as reason
    from payments
    left join published
        on
            payments.organization_id = published.organization_id
            and payments.payment_id = published.payment_id
            and payments.debt_id = published.debt_id
    where
        payments.received_amount - payments.reversed_amount <> coalesce(published.amount, 0)
        or (payments.status = 'authorized' and published.amount is null)
    union all
    select
        lines.organization_id,
        lines.customer_id,
        'undelivered' as reason
    from lines
    inner join deliveries
        on
            lines.organization_id = deliveries.organization_id
            and lines.business_date = deliveries.business_date
    where
        deliveries.is_due
        and deliveries.kind in ('payments_file', 'payments_manifest')
),

claimed as (
    select
        claims.organization_id,
        {{ normal_id('claims.customer_id') }} as customer_id,
        {{ strip_id('claims.customer_id', 'organizations.customer_id_scheme') }} as loose_id,
        claims.reason
    from claims
    left join organizations on claims.organization_id = organizations.organization_id
    union all
    select
        invoices.organization_id,
        {{ normal_id('invoices.customer_id') }} as customer_id,
        {{ strip_id('invoices.customer_id_text', 'invoices.customer_id_scheme') }} as loose_id,
        'held' as reason
    from invoices
    inner join files on invoices.file_id = files.file_id
    where files.status = 'held'
)

select * from claimed
