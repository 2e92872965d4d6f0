-- The debts that the newest load changed: all that the history has to read (R10). A table: an
-- engine that knows how few they are looks them up in the history, instead of the history in them.
with debts as (
    select * from {{ ref('debts') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

changed as (
    select
        debts.organization_id,
        debts.customer_id,
        debts.product_id,
        debts.due_date,
        debts.amount,
        debts.currency,
        debts.status,
        debts.is_in_base,
        debts.kept_because,
        debts.attributes,
        debts.first_file_id,
        debts.version_file_id,
        debts.payment_id,
        debts.paid_because,
        debts.updated_at,
        debts.debt_id,
        debts.file_status,
        debts.version_line_number
    from debts
    inner join loads on debts.updated_at = loads.loaded_at
    where loads.is_current
)

select * from changed
