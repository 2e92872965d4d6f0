-- The rows of each file beside the rows that brought the listed debts of its organization, by their
-- hashes (R32): what both have is the same and only counted and summed; what is left are the lines
-- that must be read, and the debts that a replace file no longer lists as they were. One pass over
-- all rows, which nothing else of a day makes.
{{ config(materialized='table') }}

with texts as (
    select * from {{ ref('stg_intake__invoice_texts') }}
),

hashed as (
    select * from {{ ref('stg_hashes__debts') }}
),

files as (
    select * from {{ ref('int_intake_files__read') }}
    where is_recognized
),

listing_files as (
    select * from {{ ref('int_intake_files__read') }}
    where is_recognized
),

lines as (
    select
        texts.file_id,
        texts.line_number,
        texts.row_hash
    from texts
    inner join files
        on
            texts.load_id = files.load_id
            and texts.file_id = files.file_id
),

listed as (
    select
        listing_files.file_id,
        listing_files.update_mode,
        hashed.debt_id,
        hashed.row_hash,
        hashed.amount
    from hashed
    inner join listing_files on hashed.organization_id = listing_files.organization_id
),

paired as (
    select
        coalesce(lines.file_id, listed.file_id) as file_id,
        case
            when listed.row_hash is null then 'line'
            when lines.row_hash is null then 'debt'
            else 'same'
        end as part,
        case when listed.row_hash is null then lines.line_number end as line_number,
        case
            when lines.row_hash is null and listed.update_mode = 'replace' then listed.debt_id
        end as debt_id,
        listed.amount
    from lines
    full outer join listed
        on
            lines.file_id = listed.file_id
            and lines.row_hash = listed.row_hash
),

recognized as (
    select
        file_id,
        part,
        line_number,
        debt_id,
        count(*) as row_count,
        sum(amount) as amount
    from paired
    group by
        file_id,
        part,
        line_number,
        debt_id
)

select * from recognized
