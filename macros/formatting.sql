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

{#
    An amount with the decimals of its currency, two at least, and no thousands mark, as the contract's
    decimal separator asks (R12, R22).
#}
{% macro format_amount(amount, currency, decimal_separator) -%}
    {%- set texts = {} -%}
    {%- for decimals in [2, 3, 4] -%}
        {%- set rounded = 'cast(' ~ amount ~ ' as decimal(38, ' ~ decimals ~ '))' -%}
        {%- do texts.update({decimals: 'cast(' ~ rounded ~ ' as ' ~ dbt.type_string() ~ ')'}) -%}
    {%- endfor -%}
    replace(
        {{ choose_by_decimals(currency, texts) }},
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

{#
    A text that a spreadsheet would run as a formula, made harmless in the way that OWASP describes:
    an apostrophe before it. Ids that come back with it are the same ids (`normal_id`).
#}
{% macro make_harmless(text) -%}
    case
        when substring({{ text }}, 1, 1) in ({{ formula_starts() }}) then concat(chr(39), {{ text }})
        else {{ text }}
    end
{%- endmacro %}

{# The same of a text that should be an amount: a number is no formula, whatever its sign. #}
{% macro make_harmless_unless_number(text) -%}
    case
        when {{ matches(text, '^[+-]?[0-9][0-9.,]*$') }} then {{ text }}
        else {{ make_harmless(text) }}
    end
{%- endmacro %}

{# A text as it was before make_harmless(), where an organization sends back what it was sent. #}
{% macro undo_harmless(text) -%}
    case
        when
            substring({{ text }}, 1, 1) = chr(39)
            and substring({{ text }}, 2, 1) in ({{ formula_starts() }})
            then substring({{ text }}, 2)
        else {{ text }}
    end
{%- endmacro %}

{# What a text begins with that a spreadsheet runs. #}
{% macro formula_starts() -%} '=', '+', '-', '@', chr(9), chr(10), chr(13) {%- endmacro %}

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
