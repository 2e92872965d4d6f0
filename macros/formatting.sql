{# Format a date in the form that the contract names (R11). #}
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
    Format an amount with the decimals of its currency (at least two), without a thousands
    separator, and with the contract's decimal separator (R12, R22).
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

{#
    Format a text as a CSV field: quoted only if it contains the separator, a quote or a line end.
#}
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
    Make a text harmless that a spreadsheet would run as a formula: prefix an apostrophe, as OWASP
    describes. Ids that come back with it are the same ids (`normal_id`).
#}
{% macro make_harmless(text) -%}
    case
        when {{ matches(text, '^' ~ formula_start()) }} then concat(chr(39), {{ text }})
        else {{ text }}
    end
{%- endmacro %}

{#
    Do the same with a text that should be an amount: a number is not a formula, whatever its sign.
#}
{% macro make_harmless_unless_number(text) -%}
    case
        when {{ matches(text, '^[+-]?[0-9][0-9.,]*$') }} then {{ text }}
        else {{ make_harmless(text) }}
    end
{%- endmacro %}

{# Undo make_harmless() in a text that an organization sends back. #}
{% macro undo_harmless(text) -%}
    case
        when {{ matches(text, '^\\x27' ~ formula_start()) }} then substring({{ text }}, 2)
        else {{ text }}
    end
{%- endmacro %}

{#
    The first character of a text that a spreadsheet runs as a formula. As a list it would be joined to
    every row: DuckDB makes a join of a list of more than five.
#}
{% macro formula_start() -%} [=+@\t\n\r-] {%- endmacro %}

{# Convert a UTC timestamp to the local time of a time zone. #}
{% macro in_time_zone(instant, time_zone) -%}
    {{ return(adapter.dispatch('in_time_zone', 'saldo')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__in_time_zone(instant, time_zone) -%}
    from_utc_timestamp({{ instant }}, {{ time_zone }})
{%- endmacro %}

{% macro duckdb__in_time_zone(instant, time_zone) -%}
    timezone({{ time_zone }}, timezone('UTC', {{ instant }}))
{%- endmacro %}

{# The name of a payments file (R22), or of a file that belongs to it. #}
{% macro name_payments_file(business_date, extension) -%}
    concat(cast({{ business_date }} as {{ dbt.type_string() }}), '_toku_payments.{{ extension }}')
{%- endmacro %}
