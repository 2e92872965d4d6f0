-- The payments file of each organization and business date, line by line, exactly as delivered
-- (R22). Line 0 is the header; an organization without payments gets only the header.
{%- set columns = [
    ('customer_id', make_harmless('lines.customer_id')),
    ('product_id', make_harmless('lines.product_id')),
    ('due_date', format_date('lines.due_date', 'publications.date_format')),
    ('channel', make_harmless('lines.channel')),
    ('status', 'lines.status'),
    (
        'amount',
        format_amount('lines.amount', 'lines.currency', 'publications.decimal_separator'),
    ),
    ('payment_id', make_harmless('lines.payment_id')),
    ('date', format_date('lines.paid_on', 'publications.date_format')),
] %}

with publications as (
    select * from {{ ref('int_publications__opened') }}
),

lines as (
    select * from {{ ref('payments_file_lines') }}
),

headers as (
    select
        organization_id,
        business_date,
        load_id,
        0 as line_number,
        concat(
            {%- for name, _ in columns %}
            {%- if name == 'status' %}
            case when payment_flow = 'in_process' then concat('status', delimiter) else '' end,
            {%- else %}
            '{{ name }}' {{- ", delimiter," if not loop.last }}
            {%- endif %}
            {%- endfor %}
        ) as line
    from publications
),

bodies as (
    select
        lines.organization_id,
        lines.business_date,
        lines.load_id,
        lines.line_number,
        concat(
            {%- for name, value in columns %}
            {%- if name == 'status' %}
            case
                when publications.payment_flow = 'in_process'
                    then concat({{ value }}, publications.delimiter)
                else ''
            end,
            {%- else %}
            {{ quote_field(value, 'publications.delimiter') }}
            {{- ", publications.delimiter," if not loop.last }}
            {%- endif %}
            {%- endfor %}
        ) as line
    from lines
    inner join publications
        on
            lines.organization_id = publications.organization_id
            and lines.business_date = publications.business_date
),

file_lines as (
    select * from headers
    union all
    select * from bodies
)

select
    organization_id,
    business_date,
    load_id,
    {{ name_payments_file('business_date', 'csv') }} as file_name,
    line_number,
    line
from file_lines
