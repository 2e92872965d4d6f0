with lines as (
    select * from {{ ref('stg_events__refused_lines') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

lines_described as (
    select
        lines.source_file,
        lines.line_number,
        lines.code,
        lines.message,
        loads.loaded_at as refused_at,
        loads.business_date as loaded_on,
        lines.load_id
    from lines
    inner join loads on lines.load_id = loads.load_id
)

select * from lines_described
