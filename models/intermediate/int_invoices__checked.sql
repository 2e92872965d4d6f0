-- The rows that this build must read, each with its code (R15, R32): every row of a file that is
-- read in full; of a file that is recognized by hashes the lines that are not the same as a listed
-- debt's, and the same ones whose debt the file states once more, because the last line wins.
{{ config(materialized='table') }}

with whole_texts as (
    select * from {{ ref('stg_intake__invoice_texts') }}
),

differing_texts as (
    select * from {{ ref('stg_intake__invoice_texts') }}
),

doubled_texts as (
    select * from {{ ref('stg_intake__invoice_texts') }}
),

rival_texts as (
    select * from {{ ref('stg_intake__invoice_texts') }}
),

files as (
    select * from {{ ref('int_intake_files__read') }}
),

recognized as (
    select * from {{ ref('int_invoices__recognized') }}
),

hashed as (
    select * from {{ ref('stg_hashes__debts') }}
),

counted_hashes as (
    select * from {{ ref('stg_hashes__debts') }}
),

doubled_hashes as (
    select * from {{ ref('stg_hashes__debts') }}
),

differing as (
    select differing_texts.*
    from differing_texts
    inner join files
        on
            differing_texts.load_id = files.load_id
            and differing_texts.file_id = files.file_id
    inner join recognized
        on
            differing_texts.file_id = recognized.file_id
            and differing_texts.line_number = recognized.line_number
    where recognized.part = 'line'
    union all
    select whole_texts.*
    from whole_texts
    inner join files
        on
            whole_texts.load_id = files.load_id
            and whole_texts.file_id = files.file_id
    where not files.is_recognized
),

read as (
    {{ read_invoices('differing') }}
),

coded as (
    {{ code_invoices('read') }}
),

-- A debt that is the same by one line, and stated by another that must be read.
stated_otherwise as (
    select
        coded.file_id,
        hashed.row_hash
    from coded
    inner join files
        on
            coded.file_id = files.file_id
            and files.is_recognized
    inner join hashed on coded.debt_id = hashed.debt_id
    left join recognized
        on
            coded.file_id = recognized.file_id
            and coded.debt_id = recognized.debt_id
            and recognized.part = 'debt'
    where
        coded.row_code is null
        and recognized.debt_id is null
),

-- A debt that is the same by two lines. Only a file with such lines has more of them than debts.
hashed_counts as (
    select
        organization_id,
        count(*) as debt_count
    from counted_hashes
    group by organization_id
),

files_with_doubles as (
    select
        files.file_id,
        files.load_id
    from files
    inner join hashed_counts on files.organization_id = hashed_counts.organization_id
    inner join recognized on files.file_id = recognized.file_id
    group by
        files.file_id,
        files.load_id,
        hashed_counts.debt_count
    having
        sum(case when recognized.part in ('same', 'debt') then recognized.row_count else 0 end)
        > hashed_counts.debt_count
),

stated_twice as (
    select
        doubled_texts.file_id,
        doubled_texts.row_hash
    from doubled_texts
    inner join files_with_doubles
        on
            doubled_texts.load_id = files_with_doubles.load_id
            and doubled_texts.file_id = files_with_doubles.file_id
    group by
        doubled_texts.file_id,
        doubled_texts.row_hash
    having count(*) > 1
),

contested as (
    select
        file_id,
        row_hash
    from stated_otherwise
    union distinct
    select
        stated_twice.file_id,
        stated_twice.row_hash
    from stated_twice
    inner join doubled_hashes on stated_twice.row_hash = doubled_hashes.row_hash
),

rivals as (
    select rival_texts.*
    from rival_texts
    inner join files
        on
            rival_texts.load_id = files.load_id
            and rival_texts.file_id = files.file_id
    inner join contested
        on
            rival_texts.file_id = contested.file_id
            and rival_texts.row_hash = contested.row_hash
),

rivals_read as (
    {{ read_invoices('rivals') }}
),

rivals_coded as (
    {{ code_invoices('rivals_read') }}
),

stated as (
    select
        *,
        false as is_recognized
    from coded
    union all
    select
        *,
        true as is_recognized
    from rivals_coded
),

repeated as (
    {{ find_repeated_keys('stated') }}
),

checked as (
    {{ check_invoices('stated', 'repeated') }}
)

select * from checked
