with differing as (
    select * from {{ ref('int_intake_files__differing') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

differences as (
    select
        differing.file_id,
        differing.change,
        differing.currency,
        differing.debt_count,
        differing.former_amount,
        differing.listed_amount
    from differing
    -- the verdict that stands; a file that was overtaken makes no difference
    inner join standing
        on
            differing.file_id = standing.file_id
            and differing.load_id = standing.load_id
)

select * from differences
