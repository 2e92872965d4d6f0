{#
    An id in its normal form, which ids are compared by (R1): what looks the same to a person is the
    same id. Null stays null, and an id of nothing but blanks is empty.

    The form: Unicode NFC; without invisible characters (format and control characters, variation
    selectors); every kind of blank is a space, one inside and none at the ends; U+2010 and U+2011
    are the hyphen that they look like; the marks by which a spreadsheet keeps a text, `="00124"` and
    the apostrophe before digits or what begins a formula (`'00124`, `'=A`), are taken off. It is
    the normal form of itself.

    Most ids are in it as they come: they are plain, and cost one look.
#}
{% macro normal_id(id) -%}
    case when {{ is_plain_id(id) }} then {{ id }} else {{ to_normal_id(id) }} end
{%- endmacro %}

{#
    An id as its organization gets it back: as it was written, without the blanks around it. Null
    when nothing of it can be seen.
#}
{% macro spell_id(id) -%}
    case
        when {{ is_plain_id(id) }} then {{ id }}
        when {{ to_normal_id(id) }} <> ''
            then {{ replace_all(id, '^' ~ blanks() ~ '+|' ~ blanks() ~ '+$', '') }}
    end
{%- endmacro %}

{# Whether an id is printable ASCII with single spaces inside and no mark before it. #}
{% macro is_plain_id(id) -%} {{ matches(id, '^[!-&(-<>-~]( ?[!-~])*$') }} {%- endmacro %}

{#
    Why an id is not the one that somebody wrote, null if it may be (R15). A spreadsheet made a number
    of it and rounded that (`1,23E+11`), a character of it was lost (U+FFFD), or it is an error.
    Without decimals only a sign tells such a number from an id like `12E5`.
#}
{% macro find_mangled_code(id) -%}
    case
        when {{ matches(id, '[0-9].*[eE].*[0-9]|^[^0-9A-Za-z]*#|�') }}
            then
                case
                    when {{ matches(normal_id(id), '^#([¡¿]?(' ~ [
                        'N/A', 'N/D', 'DIV/0!', 'VALUE!', 'VALOR!', 'REF!', 'NAME[?]', 'NOMBRE[?]',
                        'NUM!', 'NULL!', 'NULO!', 'CALC!', 'SPILL!', 'DESBORDAMIENTO!',
                    ] | join('|') ~ ')|#+)$') }}
                        then 'cell_error'
                    when {{ matches(normal_id(id), '^[+-]?[0-9]+([.,][0-9]* ?[eE] ?[+-]?| ?[eE] ?[+]) ?[0-9]+$|�') }}
                        then 'inexact_id'
                end
    end
{%- endmacro %}

{% macro to_normal_id(id) -%}
    {%- set spaced = replace_all("translate(" ~ id ~ ", '‐‑', '--')", blanks(), ' ') -%}
    {%- set visible = replace_all(replace_all(spaced, invisibles(), ''), ' {2,}', ' ') -%}
    {%- set composed = 'trim(' ~ compose(visible) ~ ')' -%}
    {%- set apostrophe = "^''+([-0-9=+@])" -%}
    {%- set bare = replace_all(composed, apostrophe, first_group()) -%}
    {%- set unwrapped = 'trim(' ~ replace_all(bare, '^="([^"]*)"$', first_group()) ~ ')' -%}
    {{ replace_all(unwrapped, apostrophe, first_group()) }}
{%- endmacro %}

{# What looks like a blank: those of Unicode, line ends and tabs, and the letters that are none. #}
{% macro blanks() -%}
    [\t\n\x0B\f\r\x{85}\p{Z}\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}]
{%- endmacro %}

{# What cannot be seen: control and format characters, and what only changes how others look. #}
{% macro invisibles() -%}
    [\p{Cc}\p{Cf}\x{34F}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2065}\x{FE00}-\x{FE0F}
    {{- '\\x{FFF0}-\\x{FFF8}\\x{E0000}-\\x{E0FFF}]' }}
{%- endmacro %}

{# All that a regular expression finds in a text, replaced. #}
{% macro replace_all(text, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_all', 'saldo')(text, pattern, replacement)) }}
{%- endmacro %}

{% macro default__replace_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, r'{{ pattern }}', '{{ replacement }}')
{%- endmacro %}

{% macro duckdb__replace_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{# What the first group of a regular expression found, as a replacement names it. #}
{% macro first_group() -%} {{ return(adapter.dispatch('first_group', 'saldo')()) }} {%- endmacro %}

{% macro default__first_group() -%} {{ return('$1') }} {%- endmacro %}

{% macro duckdb__first_group() -%} {{ return('\\1') }} {%- endmacro %}

{# A text in the Unicode form NFC. An engine without it needs a function of that name. #}
{% macro compose(text) -%} {{ return(adapter.dispatch('compose', 'saldo')(text)) }} {%- endmacro %}

{% macro default__compose(text) -%} {{ return('nfc_normalize(' ~ text ~ ')') }} {%- endmacro %}

{#
    The normal form as a function of the warehouse, for whoever compares ids outside of the models.
#}
{% macro create_normal_id_function() -%}
    {{ return(adapter.dispatch('create_normal_id_function', 'saldo')()) }}
{%- endmacro %}

{% macro default__create_normal_id_function() -%} {%- endmacro %}

{% macro duckdb__create_normal_id_function() -%}
    create or replace macro {{ target.schema }}.normal_id(id) as {{ normal_id('id') }}
{%- endmacro %}
