{#
    The normal form of an id, which is used to compare ids (R1): ids that look the same to a person
    are equal. Null stays null, and an id of blanks only becomes empty.

    The form is Unicode NFC, without invisible characters (format and control characters, variation
    selectors). Every kind of blank is a space, single inside and none at the ends. U+2010 and
    U+2011 are the hyphen that they look like. The marks by which a spreadsheet keeps a text are
    removed: `="00124"`, and the apostrophe before digits or the start of a formula (`'00124`,
    `'=A`). The normal form of a normal form is itself.

    Most ids are already normal: they are plain, and cost one check.
#}
{% macro normal_id(id) -%}
    case when {{ is_plain_id(id) }} then {{ id }} else {{ to_normal_id(id) }} end
{%- endmacro %}

{#
    Return an id as its organization gets it back: as it was written, without blanks at the ends.
    Null if it has no visible character.
#}
{% macro spell_id(id) -%}
    case
        when {{ is_plain_id(id) }} then {{ id }}
        when {{ to_normal_id(id) }} <> ''
            then {{ replace_all(id, '^' ~ blanks() ~ '+|' ~ at_the_end(blanks()), '') }}
    end
{%- endmacro %}

{#
    Whether an id is printable ASCII with single spaces inside and no mark before it. Java would take
    a deeper stack for each repeat of a group of two lengths, and fail at a long text.
#}
{% macro is_plain_id(id) -%}
    {{ matches(id, '^[!-&(-<>-~][ -~]*$') }} and {{ id }} not like '%  %' and {{ id }} not like '% '
{%- endmacro %}

{#
    The code that says why an id is not the original one, or null (R15). A spreadsheet turned it
    into a number and rounded it (`1,23E+11`), a program wrote it as a float (`4512.0`), a character
    was lost (U+FFFD), or it is an error value. Without decimals, only a sign distinguishes a rounded
    number from an id like `12E5`.
#}
{% macro find_mangled_code(id) -%}
    case
        when {{ matches(id, '^[^0-9]*[0-9][^eE]*[eE][^0-9]*[0-9]|[.,]0[^0-9A-Za-z]*$|^[^0-9A-Za-z]*#|�') }}
            then
                case
                    when {{ matches(normal_id(id), '^#([¡¿]?(' ~ [
                        'N/A', 'N/D', 'DIV/0!', 'VALUE!', 'VALOR!', 'REF!', 'NAME[?]', 'NOMBRE[?]',
                        'NUM!', 'NULL!', 'NULO!', 'CALC!', 'SPILL!', 'DESBORDAMIENTO!',
                    ] | join('|') ~ ')|#+)$') }}
                        then 'cell_error'
                    when {{ matches(normal_id(id), [
                        '^[+-]?[0-9]+([.,][0-9]* ?[eE] ?[+-]?| ?[eE] ?[+]) ?[0-9]+$',
                        float_form(),
                        '�',
                    ] | join('|')) }}
                        then 'inexact_id'
                end
    end
{%- endmacro %}

{# A whole number as a float. With one or two digits before the point it may be an id. #}
{% macro float_form() -%} ^[0-9]{3,}[.,]0$ {%- endmacro %}

{% macro to_normal_id(id) -%}
    {%- set spaced = replace_all("translate(" ~ id ~ ", '‐‑', '--')", blanks(), ' ') -%}
    {%- set visible = replace_all(replace_all(spaced, invisibles(), ''), ' {2,}', ' ') -%}
    {%- set composed = 'trim(' ~ compose(visible) ~ ')' -%}
    {%- set apostrophe = '^\\x27+([-0-9=+@])' -%}
    {%- set bare = replace_all(composed, apostrophe, first_group()) -%}
    {%- set unwrapped = 'trim(' ~ replace_all(bare, '^="([^"]*)"$', first_group()) ~ ')' -%}
    {{ replace_all(unwrapped, apostrophe, first_group()) }}
{%- endmacro %}

{# What looks like a blank: Unicode blanks, line ends, tabs, and letters that look blank. #}
{% macro blanks() -%}
    [\t\n\x0B\f\r\x{85}\p{Z}\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}]
{%- endmacro %}

{#
    Invisible characters: control and format characters, and those that only change how others
    look.
#}
{% macro invisibles() -%}
    [\p{Cc}\p{Cf}\x{34F}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2065}\x{FE00}-\x{FE0F}
    {{- '\\x{FFF0}-\\x{FFF8}\\x{E0000}-\\x{E0FFF}]' }}
{%- endmacro %}

{# Replace all matches of a regular expression. #}
{% macro replace_all(text, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_all', 'saldo')(text, pattern, replacement)) }}
{%- endmacro %}

{% macro default__replace_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, r'{{ as_java_pattern(pattern) }}', '{{ replacement }}')
{%- endmacro %}

{% macro duckdb__replace_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{# The first group of a regular expression, as a replacement refers to it. #}
{% macro first_group() -%} {{ return(adapter.dispatch('first_group', 'saldo')()) }} {%- endmacro %}

{% macro default__first_group() -%} {{ return('$1') }} {%- endmacro %}

{% macro duckdb__first_group() -%} {{ return('\\1') }} {%- endmacro %}

{#
    Convert a text to Unicode NFC. Spark has no function for it, but a library that has, which takes
    no null.
#}
{% macro compose(text) -%} {{ return(adapter.dispatch('compose', 'saldo')(text)) }} {%- endmacro %}

{% macro default__compose(text) -%}
    case
        when {{ text }} is not null
            then java_method('com.ibm.icu.text.Normalizer', 'compose', {{ text }}, false)
    end
{%- endmacro %}

{% macro duckdb__compose(text) -%} nfc_normalize({{ text }}) {%- endmacro %}

{#
    Reduce an id to what finds a person whose id is misspelled: a RUT to its digits and K without
    leading zeros, another id to its normal form.
#}
{% macro strip_id(id, scheme) -%}
    case
        when {{ scheme }} = 'rut'
            then {{ replace_all(replace_all('upper(' ~ id ~ ')', '[^0-9K]', ''), '^0+', '') }}
        else {{ normal_id(id) }}
    end
{%- endmacro %}

{#
    Create functions of the warehouse for comparing ids outside of the models: normal_id(id), and
    valid_rut(id), the RUT in its form for comparison, null if it is not a valid one.
#}
{% macro create_normal_id_function() -%}
    {{ return(adapter.dispatch('create_normal_id_function', 'saldo')()) }}
{%- endmacro %}

{% macro default__create_normal_id_function() -%} {%- endmacro %}

{% macro duckdb__create_normal_id_function() -%}
    create or replace macro {{ this.database }}.{{ this.schema }}.normal_id(id) as
    {{ normal_id('id') }}
{%- endmacro %}

{% macro create_valid_rut_function() -%}
    {{ return(adapter.dispatch('create_valid_rut_function', 'saldo')()) }}
{%- endmacro %}

{% macro default__create_valid_rut_function() -%} {%- endmacro %}

{% macro duckdb__create_valid_rut_function() -%}
    create or replace macro {{ this.database }}.{{ this.schema }}.valid_rut(id) as (
        select case when {{ is_valid_rut('read.rut') }} then read.rut end
        from (select {{ normalize_rut('id') }} as rut) as read
    )
{%- endmacro %}
