with contracts as (
    select * from {{ ref('stg_contracts__organizations') }}
),

organizations as (
    select
        organization_id,
        name,
        country,
        customer_id_scheme,
        update_mode,
        payment_flow,
        currency,
        time_zone,
        cutoff_time,
        invoices_pattern,
        payments_pattern,
        delimiter,
        decimal_separator,
        date_format,
        cast(max_withdrawal_share as decimal(9, 6)) as max_withdrawal_share,
        cast(max_rejected_share as decimal(9, 6)) as max_rejected_share
    from contracts
)

select * from organizations
