-- The customers that the newest load created or changed: the only rows that the history must read.
{{ config(materialized='table') }}

with customers as (
    select * from {{ ref('customers') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

changed as (
    select
        customers.organization_id,
        customers.customer_id,
        customers.name,
        customers.mail,
        customers.mail_status,
        customers.attributes,
        customers.last_file_id,
        customers.updated_at,
        customers.customer_key
    from customers
    inner join loads on customers.updated_at = loads.loaded_at
    where loads.is_current
)

select * from changed
