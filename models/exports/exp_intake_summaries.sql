-- The summary of each intake file, one figure per line (R19): registros = aceptados + rechazados,
-- in number and in amount.
{%- set text = dbt.type_string() -%}
{%- set figures = [
    ('archivo', make_harmless('file_name')),
    ('sha256', 'sha256'),
    ('recibido', 'substring(cast(' ~ in_time_zone('received_at', 'time_zone') ~ ' as ' ~ text ~ '), 1, 19)'),
    ('estado', "case verdict when 'applied' then 'aplicado' when 'held' then 'retenido'"
        ~ " when 'refused' then 'rechazado' when 'superseded' then 'superado'"
        ~ " else 'duplicado' end"),
    ('codigo', 'code'),
    ('mensaje', make_harmless('message')),
    ('registros', 'cast(record_count as ' ~ text ~ ')'),
    ('aceptados', 'cast(accepted_count as ' ~ text ~ ')'),
    ('rechazados', 'cast(rejected_count as ' ~ text ~ ')'),
    (
        'monto_total',
        format_amount('accepted_amount + rejected_amount', 'currency', 'decimal_separator'),
    ),
    ('monto_aceptado', format_amount('accepted_amount', 'currency', 'decimal_separator')),
    ('monto_rechazado', format_amount('rejected_amount', 'currency', 'decimal_separator')),
    ('deudas_nuevas', 'cast(new_count as ' ~ text ~ ')'),
    ('deudas_modificadas', 'cast(changed_count as ' ~ text ~ ')'),
    ('deudas_sin_cambio', 'cast(unchanged_count as ' ~ text ~ ')'),
    ('deudas_retiradas', 'cast(withdrawn_count as ' ~ text ~ ')'),
    ('deudas_en_proceso_conservadas', 'cast(kept_in_process_count as ' ~ text ~ ')'),
] %}

with answers as (
    select * from {{ ref('int_intake_files__answered') }}
),

file_lines as (
    select
        organization_id,
        business_date,
        load_id,
        file_name,
        0 as line_number,
        concat('concepto', delimiter, 'valor') as line
    from answers
    {%- for name, value in figures %}
    union all
    select
        organization_id,
        business_date,
        load_id,
        file_name,
        {{ loop.index }} as line_number,
        concat('{{ name }}', delimiter, {{ quote_field(value, 'delimiter') }}) as line
    from answers
    {%- endfor %}
)

select
    organization_id,
    business_date,
    load_id,
    concat(file_name, '.summary.csv') as file_name,
    line_number,
    line
from file_lines
