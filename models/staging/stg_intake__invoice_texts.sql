with source as (
    select * from {{ source('raw', 'invoices') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
),

texts as (
    {{ join_contracts('source', 'files') }}
)

select * from texts
