-- The summary of each intake file, one figure per line (R19).
with answers as (
    select * from {{ ref('int_intake_files__answered') }}
),

summary_lines as (
    {{ select_summary_lines('answers') }}
),

named as (
    select
        organization_id,
        business_date,
        load_id,
        concat(file_name, '.summary.csv') as file_name,
        line_number,
        line
    from summary_lines
)

select * from named
