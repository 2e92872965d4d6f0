{#
    A text without separators (spaces of any width, no-break spaces) at its ends. Spark's `trim`
    removes plain spaces alone.
#}
{% macro strip(text) -%}
    {{ return(adapter.dispatch('strip', 'saldo')(text)) }}
{%- endmacro %}

{% macro default__strip(text) -%}
    {{ replace_all(text, '^\\p{Zs}+|' ~ at_the_end('\\p{Zs}'), '') }}
{%- endmacro %}

{% macro duckdb__strip(text) -%} trim({{ text }}) {%- endmacro %}

{#
    The pattern of all characters of a class at the end of a text. Java would try it again at each of
    many characters that are not at the end.
#}
{% macro at_the_end(characters) -%}
    {{ return(adapter.dispatch('at_the_end', 'saldo')(characters)) }}
{%- endmacro %}

{% macro default__at_the_end(characters) -%}
    {{ return('(?<!' ~ characters ~ ')' ~ characters ~ '+$') }}
{%- endmacro %}

{% macro duckdb__at_the_end(characters) -%} {{ return(characters ~ '+$') }} {%- endmacro %}

{# Whether a text matches a regular expression. #}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'saldo')(text, pattern)) }}
{%- endmacro %}

{% macro default__matches(text, pattern) -%}
    {{ text }} rlike r'{{ as_java_pattern(pattern) }}'
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}

{#
    A regular expression of DuckDB's as Java takes it: lines end with `\n` alone, and `$` is the end of
    the text, not of its last line. `$` stands nowhere for itself.
#}
{% macro as_java_pattern(pattern) -%} (?d){{ pattern | replace('$', '\\z') }} {%- endmacro %}

{#
    Parse a text as a date in one of the forms that a contract may name (R11), else null. It has each
    digit of the form, so `2026-1-2` or a date with a time is refused, not guessed. The engines would
    take one digit for two, or a tab behind them, otherwise than each other.
#}
{% macro parse_date(text, date_format) -%}
    case {{ date_format }}
        {%- for format in ['YYYY-MM-DD', 'DD-MM-YYYY', 'DD/MM/YYYY', 'YYYYMMDD'] %}
        {%- set digits = format
            | replace('YYYY', '[0-9]{4}') | replace('MM', '[0-9]{2}') | replace('DD', '[0-9]{2}') %}
        when '{{ format }}'
            then
                case
                    when {{ matches(strip(text), '^' ~ digits ~ '$') }}
                        then {{ try_to_date(strip(text), format) }}
                end
        {%- endfor %}
    end
{%- endmacro %}

{% macro try_to_date(text, format) -%}
    {{ return(adapter.dispatch('try_to_date', 'saldo')(text, format)) }}
{%- endmacro %}

{% macro default__try_to_date(text, format) -%}
    cast(try_to_timestamp(
        {{ text }}, '{{ format | replace('YYYY', 'yyyy') | replace('DD', 'dd') }}'
    ) as date)
{%- endmacro %}

{% macro duckdb__try_to_date(text, format) -%}
    cast(try_strptime(
        {{ text }},
        '{{ format | replace('YYYY', '%Y') | replace('MM', '%m') | replace('DD', '%d') }}'
    ) as date)
{%- endmacro %}

{#
    Whether a date can be the date of a debt. A year before 1990 or after 2100 is a typing error
    (`0026-03-31`). A debt with such a key would never be paid or withdrawn under its own key.
#}
{% macro is_plausible_date(date) -%}
    coalesce(
        {{ date }} between cast('1990-01-01' as date) and cast('2100-12-31' as date), false
    )
{%- endmacro %}

{#
    Parse a text as an amount of money, else null. The contract names the decimal separator; the
    other one of point and comma may group thousands. An amount is never rounded: it has the
    decimals of its currency, at least two, and further decimals must be zeros. `10000.0000` is ten
    thousand pesos, and `1.005` is refused. `15.000` is refused, too, unless the currency has three
    decimals: it means fifteen thousand if points group thousands. So is
    `2.534` in UF, which have four decimals: it may be thousands, but `2.5340` is an amount.
#}
{% macro parse_amount(text, decimal_separator, currency) -%}
    {%- set plain -%}
        case
            when {{ decimal_separator }} = ',' then translate({{ strip(text) }}, '.,', ',.')
            else {{ strip(text) }}
        end
    {%- endset -%}
    {%- set forms = {} -%}
    {%- for decimals, fraction in [
        (2, '[0-9]{1,2}|[0-9]{2}00+'),
        (3, '[0-9]{1,3}|[0-9]{3}0+'),
        (4, '[0-9]{1,2}|[0-9]{4}0*'),
    ] -%}
        {%- set number = '([0-9]+|[1-9][0-9]{0,2}(,[0-9]{3})+)([.](' ~ fraction ~ '))?' -%}
        {%- do forms.update({decimals: matches(plain, '^(-?' ~ number ~ '|' ~ number ~ '-)$')}) -%}
    {%- endfor -%}
    case
        when not {{ choose_by_decimals(currency, forms) }} then null
        when {{ matches(plain, '-$') }}
            then -try_cast(translate({{ plain }}, ',-', '') as {{ var('money_type') }})
        else try_cast(replace({{ plain }}, ',', '') as {{ var('money_type') }})
    end
{%- endmacro %}

{#
    Whether a text that may be no amount looks like a negative one: with a minus before its digits or
    after them, or in parentheses. Null if there is no text. A minus behind a point or a comma stands
    for no decimals: `15.000.-` is fifteen thousand pesos.
#}
{% macro looks_negative(text) -%}
    {{ matches(strip(text), [
        '^[^-−0-9]*[-−][^0-9]*[0-9]',
        '[0-9]([^-−0-9]*[^-−0-9.,\\p{Zs}])?\\p{Zs}*[-−][^0-9]*$',
        '^[^0-9]*[(][^()0-9]*[0-9][^()]*[)][^0-9]*$',
    ] | join('|')) }}
{%- endmacro %}

{#
    Parse a text as yes or no, as people write it. Empty means no; anything else is null
    (`invalid_flag`).
#}
{% macro parse_flag(text) -%}
    case
        when {{ strip(text) }} is null or {{ strip(text) }} = '' then false
        when {{ matches('lower(' ~ strip(text) ~ ')', '^(true|t|1|s|si\\x{0301}?|sí|yes|y|x|v|verdadero)$') }}
            then true
        when {{ matches('lower(' ~ strip(text) ~ ')', '^(false|f|0|no|n|falso)$') }} then false
    end
{%- endmacro %}

{# Convert an ISO 8601 instant with its offset to a UTC timestamp without a zone. #}
{% macro parse_instant(text) -%}
    {{ return(adapter.dispatch('parse_instant', 'saldo')(text)) }}
{%- endmacro %}

{% macro default__parse_instant(text) -%}
    to_utc_timestamp(cast({{ text }} as timestamp), 'UTC')
{%- endmacro %}

{% macro duckdb__parse_instant(text) -%}
    cast(cast({{ text }} as timestamptz) at time zone 'UTC' as timestamp)
{%- endmacro %}

{#
    The names of the columns that do not hold what they should, each followed by a space; null if
    all do. columns: by name, what is null then.
#}
{% macro name_unread(columns) -%}
    {%- if columns -%}
    nullif(
        concat(
            {%- for name, value in columns.items() %}
            case when {{ value }} is null then '{{ name }} ' else '' end
            {{- ',' if not loop.last }}
            {%- endfor %}
        ),
        ''
    )
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}
