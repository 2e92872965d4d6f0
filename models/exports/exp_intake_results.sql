-- The answer to each intake file, line by line (R19): the header; then, without a line number, why
-- the whole file was not applied, if so; then each refused row.
{%- set columns = [
    ('linea', 'cast(told.row_number as ' ~ dbt.type_string() ~ ')'),
    ('codigo', 'told.code'),
    ('mensaje', make_harmless('told.message')),
    ('cliente', make_harmless('told.customer_id_text')),
    ('producto', make_harmless('told.product_id_text')),
    ('vencimiento', make_harmless('told.due_date_text')),
    ('monto', make_harmless_unless_number('told.amount_text')),
] %}

with answers as (
    select * from {{ ref('int_intake_files__answered') }}
),

rejections as (
    select * from {{ ref('intake_rejections') }}
),

told as (
    select
        file_id,
        1 as line_number,
        null as row_number,
        code,
        message,
        null as customer_id_text,
        null as product_id_text,
        null as due_date_text,
        null as amount_text
    from answers
    where code is not null
    union all
    select
        file_id,
        1 + line_number as line_number,
        line_number as row_number,
        code,
        message,
        customer_id_text,
        product_id_text,
        due_date_text,
        amount_text
    from rejections
),

file_lines as (
    select
        file_id,
        0 as line_number,
        concat(
            {%- for name, _ in columns %}
            '{{ name }}' {{- ", delimiter," if not loop.last }}
            {%- endfor %}
        ) as line
    from answers
    union all
    select
        told.file_id,
        told.line_number,
        concat(
            {%- for name, value in columns %}
            {{ quote_field(value, 'answers.delimiter') }}
            {{- ", answers.delimiter," if not loop.last }}
            {%- endfor %}
        ) as line
    from told
    inner join answers on told.file_id = answers.file_id
)

select
    answers.organization_id,
    answers.business_date,
    answers.load_id,
    concat(answers.file_name, '.result.csv') as file_name,
    file_lines.line_number,
    file_lines.line
from answers
inner join file_lines on answers.file_id = file_lines.file_id
