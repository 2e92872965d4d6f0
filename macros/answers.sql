{#
    The message of a file's code, with that of what else an operator must know of the file.

    codes, further_codes: rows of intake_codes; the second may be absent.
#}
{% macro join_messages(codes, further_codes) -%}
    case
        when {{ further_codes }}.code is null then {{ codes }}.message
        else concat(
            coalesce({{ codes }}.message, ''), ' ', coalesce({{ further_codes }}.message, '')
        )
    end
{%- endmacro %}

{#
    The lines of the answers to intake files (R19): file_id, line_number, line. The header is line 0;
    line 1 says why the whole file was not applied, if so; then comes each refused row.

    answers: the files, with delimiter. rejections: their refused rows.
#}
{% macro select_result_lines(answers, rejections) -%}
{%- set columns = [
    ('linea', 'cast(answer_rows.row_number as ' ~ dbt.type_string() ~ ')'),
    ('codigo', 'answer_rows.code'),
    ('mensaje', make_harmless('answer_rows.message')),
    ('cliente', make_harmless('answer_rows.customer_id_text')),
    ('producto', make_harmless('answer_rows.product_id_text')),
    ('vencimiento', make_harmless('answer_rows.due_date_text')),
    ('monto', make_harmless_unless_number('answer_rows.amount_text')),
] %}

with answer_rows as (
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
    from {{ answers }}
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
    from {{ rejections }}
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
    from {{ answers }}
    union all
    select
        answer_rows.file_id,
        answer_rows.line_number,
        concat(
            {%- for name, value in columns %}
            {{ quote_field(value, answers ~ '.delimiter') }}
            {{- ", " ~ answers ~ ".delimiter," if not loop.last }}
            {%- endfor %}
        ) as line
    from answer_rows
    inner join {{ answers }} on answer_rows.file_id = {{ answers }}.file_id
)

select * from file_lines
{%- endmacro %}

{#
    The lines of the summaries of intake files (R19), one figure per line: registros = aceptados +
    rechazados, in number and in amount.

    answers: the files, with their figures and the form of their organization's files.
#}
{% macro select_summary_lines(answers) -%}
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
select
    organization_id,
    business_date,
    load_id,
    file_name,
    0 as line_number,
    concat('concepto', delimiter, 'valor') as line
from {{ answers }}
{%- for name, value in figures %}
union all
select
    organization_id,
    business_date,
    load_id,
    file_name,
    {{ loop.index }} as line_number,
    concat('{{ name }}', delimiter, {{ quote_field(value, 'delimiter') }}) as line
from {{ answers }}
{%- endfor %}
{%- endmacro %}

{#
    Create the functions that return the answer to an intake file and its summary, line by line, in
    the warehouse and its published copy: `from intake_result_lines(FILE_ID)`. For the file received
    last of a name, they are the lines of the files in the outbox (R19).
#}
{% macro create_answer_function(kind) -%}
    {{ return(adapter.dispatch('create_answer_function', 'saldo')(kind)) }}
{%- endmacro %}

{% macro default__create_answer_function(kind) -%} {%- endmacro %}

{% macro duckdb__create_answer_function(kind) -%}
    create or replace macro {{ this.database }}.{{ this.schema }}.intake_{{ kind }}_lines(
        answered_file_id
    ) as table
    with answers as (
        select
            files.*,
            files.status as verdict,
            organizations.time_zone,
            organizations.decimal_separator,
            case when organizations.delimiter = 'tab' then chr(9) else organizations.delimiter end
                as delimiter
        from intake_files as files
        inner join organizations on files.organization_id = organizations.organization_id
        where files.file_id = answered_file_id
    ),

    rejections as (
        select * from intake_rejections
        where file_id = answered_file_id
    ),

    answer_lines as (
        {%- if kind == 'result' %}
        {{ select_result_lines('answers', 'rejections') }}
        {%- else %}
        {{ select_summary_lines('answers') }}
        {%- endif %}
    )

    select
        line_number,
        line
    from answer_lines
    order by line_number
{%- endmacro %}
