-- The files to judge: those received in this load, and held files decided in it (R17). A table,
-- because it is small and several models join it with all rows of files.
{{ config(materialized='table') }}

with files as (
    select * from {{ ref('stg_intake__files') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    where is_current
),

decisions as (
    select * from {{ ref('stg_intake__decisions') }}
),

judged_before as (
    select * from {{ ref('int_intake_files__judged_before') }}
    where verdict = 'held'
),

named as (
    select
        files.file_id,
        cast(null as {{ dbt.type_string() }}) as decision
    from files
    inner join loads on files.load_id = loads.load_id
    union all
    select
        decisions.file_id,
        decisions.decision
    from decisions
    inner join loads on decisions.load_id = loads.load_id
    inner join judged_before on decisions.file_id = judged_before.file_id
),

submitted as (
    select
        files.file_id,
        files.load_id,
        files.organization_id,
        files.kind,
        files.file_name,
        files.sha256,
        files.ends_with_line_end,
        files.update_mode,
        files.customer_id_scheme,
        files.currency,
        files.max_withdrawal_share,
        files.max_rejected_share,
        files.file_code,
        files.business_date,
        loads.load_id as judging_load_id,
        named.decision
    from files
    inner join named on files.file_id = named.file_id
    cross join loads
)

select * from submitted
