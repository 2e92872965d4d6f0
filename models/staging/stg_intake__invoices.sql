with source as (
    select * from {{ source('raw', 'invoices') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

texts as (
    {{ join_contracts('source', 'files') }}
),

invoices as (
    {{ read_invoices('texts') }}
)

select * from invoices
