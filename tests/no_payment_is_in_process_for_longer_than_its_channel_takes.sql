-- Assumes that a payment in process ends within the business days that its channel normally takes.
-- A row here means that a customer's payment may be lost between a bank and us; somebody should ask
-- the processor. It stops nothing, so it warns.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'payments_in_process'}}}) }}

with payments_in_process as (
    select * from {{ ref('payments_in_process') }}
),

too_long as (
    select
        organization_id,
        payment_id,
        business_days,
        normal_business_days
    from payments_in_process
    where is_too_long
)

select * from too_long
