{# A date in the form that a contract names (R11). #}
{% macro format_date(date, date_format) -%}
    {%- set text = 'cast(' ~ date ~ ' as ' ~ dbt.type_string() ~ ')' -%}
    {%- set year = 'substring(' ~ text ~ ', 1, 4)' -%}
    {%- set month = 'substring(' ~ text ~ ', 6, 2)' -%}
    {%- set day = 'substring(' ~ text ~ ', 9, 2)' -%}
    case {{ date_format }}
        when 'DD-MM-YYYY' then concat({{ day }}, '-', {{ month }}, '-', {{ year }})
        when 'DD/MM/YYYY' then concat({{ day }}, '/', {{ month }}, '/', {{ year }})
        when 'YYYYMMDD' then concat({{ year }}, {{ month }}, {{ day }})
        else {{ text }}
    end
{%- endmacro %}

{# An amount with two decimals and no thousands mark, as the contract's decimal separator asks. #}
{% macro format_amount(amount, decimal_separator) -%}
    replace(
        cast(cast({{ amount }} as decimal(38, 2)) as {{ dbt.type_string() }}),
        '.',
        {{ decimal_separator }}
    )
{%- endmacro %}

{# A text as a field of a CSV line: quoted only where the separator, a quote or a line end asks. #}
{% macro quote_field(text, separator) -%}
    case
        when
            {%- for special in [separator, "'\"'", "chr(10)", "chr(13)"] %}
            {{ "or " if not loop.first }}{{ dbt.position(special, text) }} > 0
            {%- endfor %}
            then concat('"', replace({{ text }}, '"', '""'), '"')
        else coalesce({{ text }}, '')
    end
{%- endmacro %}

{# A UTC timestamp as the wall clock of a time zone shows it. #}
{% macro in_time_zone(instant, time_zone) -%}
    {{ return(adapter.dispatch('in_time_zone', 'saldo')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__in_time_zone(instant, time_zone) -%}
    from_utc_timestamp({{ instant }}, {{ time_zone }})
{%- endmacro %}

{% macro duckdb__in_time_zone(instant, time_zone) -%}
    timezone({{ time_zone }}, timezone('UTC', {{ instant }}))
{%- endmacro %}

{# The name of a payments file (R22), or of what goes with it. #}
{% macro name_payments_file(business_date, extension) -%}
    concat(cast({{ business_date }} as {{ dbt.type_string() }}), '_toku_payments.{{ extension }}')
{%- endmacro %}
