-- The answer to each intake file, line by line (R19).
with answers as (
    select * from {{ ref('int_intake_files__answered') }}
),

rejections as (
    select * from {{ ref('intake_rejections') }}
),

result_lines as (
    {{ select_result_lines('answers', 'rejections') }}
),

named as (
    select
        answers.organization_id,
        answers.business_date,
        answers.load_id,
        concat(answers.file_name, '.result.csv') as file_name,
        result_lines.line_number,
        result_lines.line
    from answers
    inner join result_lines on answers.file_id = result_lines.file_id
)

select * from named
