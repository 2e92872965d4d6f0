-- The debts files whose rows this build reads: those to be judged, and for one of them that came
-- late also those that are newer (R8). A full refresh reads all. Rows are recognized by their
-- hashes (R32) in a file that follows the base: a late one is read in full, and so is the first one
-- of an organization. A table, because it is small and is joined with all rows.
-- depends_on: {{ ref('stg_verdicts__files') }}
{{ config(materialized='table') }}

with submitted as (
    select * from {{ ref('int_intake_files__submitted') }}
    where
        kind = 'invoices'
        and file_code is null
),

compared as (
    select * from {{ ref('int_intake_files__compared') }}
),

files as (
    select * from {{ ref('stg_intake__files') }}
    where kind = 'invoices'
),

hashed as (
    select distinct organization_id
    from {{ ref('stg_hashes__debts') }}
),

judged as (
    select
        submitted.file_id,
        submitted.load_id,
        submitted.judging_load_id,
        submitted.organization_id,
        submitted.business_date,
        case when compared.has_new_contract then 'replace' else submitted.update_mode end
            as update_mode,
        -- a late file that is not compared with the base needs no newer ones beside it
        compared.is_late and not compared.is_overtaken and not compared.is_duplicate
            as is_compared_late,
        hashed.organization_id is not null
        and not compared.is_late
        and not {{ var('reads_every_row') }}
        and not {{ reads_all_files() }} as is_recognized
    from submitted
    inner join compared on submitted.file_id = compared.file_id
    left join hashed on submitted.organization_id = hashed.organization_id
),

{% if reads_all_files() -%}
others as (
    select
        files.file_id,
        files.load_id
    from files
    left join judged on files.file_id = judged.file_id
    where judged.file_id is null
),
{%- else -%}
verdicts as (
    select * from {{ ref('stg_verdicts__files') }}
),

others as (
    select distinct
        files.file_id,
        files.load_id
    from judged
    inner join files
        on
            judged.organization_id = files.organization_id
            and {{ is_earlier('judged', 'files', 'load_id') }}
    inner join verdicts
        on
            files.file_id = verdicts.file_id
            and verdicts.verdict = 'applied'
            and judged.judging_load_id > verdicts.load_id
    where judged.is_compared_late
),
{%- endif %}

read as (
    select
        file_id,
        load_id,
        organization_id,
        update_mode,
        is_recognized,
        true as is_judged
    from judged
    union all
    select
        file_id,
        load_id,
        cast(null as {{ dbt.type_string() }}) as organization_id,
        cast(null as {{ dbt.type_string() }}) as update_mode,
        false as is_recognized,
        false as is_judged
    from others
)

select * from read
