{#
    The customer id of a row as its organization gets it back (R1): an external id as it is written,
    a RUT without dots, blanks and leading zeros, with its hyphen and an upper-case K
    (`12.345.678-k` becomes `12345678-K`). What has not the shape of a RUT becomes null.
#}
{% macro normalize_customer_id(customer_id, scheme) -%}
    case
        when {{ scheme }} = 'rut' then {{ normalize_rut(customer_id) }}
        else {{ spell_id(customer_id) }}
    end
{%- endmacro %}

{# People type the hyphen as a dash of another kind; text programs do it for them. #}
{% macro normalize_rut(rut) -%}
    {%- set dashed -%} translate({{ normal_id(rut) }}, '‒–—−', '----') {%- endset -%}
    {%- set plain -%} upper(translate({{ dashed }}, '.- ', '')) {%- endset -%}
    case
        -- as most files write it, at a tenth of the price
        when {{ matches(rut, '^[1-9][0-9]{0,8}-[0-9K]$') }} then {{ rut }}
        when {{ matches(dashed, '^[0-9][0-9.]{0,11} ?-? ?[0-9kK]$') }}
            then
                concat(
                    ltrim(substring({{ plain }}, 1, length({{ plain }}) - 1), '0'),
                    '-',
                    right({{ plain }}, 1)
                )
    end
{%- endmacro %}

{#
    What a row says of its customer: the id as it is written, and, where the check digit of a RUT has
    a column of its own (R12), that and the number that it belongs to.
#}
{% macro read_customer_id(row, scheme) -%}
    {{ normalize_customer_id(row ~ '.customer_id', scheme) }} as written_id,
    case
        when {{ scheme }} = 'rut' and {{ row }}.check_digit is not null
            then nullif(upper(replace({{ normal_id(row ~ '.check_digit') }}, '-', '')), '')
    end as check_digit_of_rut,
    case
        when {{ scheme }} = 'rut' and {{ row }}.check_digit is not null
            then {{ normal_id(row ~ '.customer_id') }}
    end as number_of_rut
{%- endmacro %}

{# The RUT of a number and its check digit, which read_customer_id has read; null if it is none. #}
{% macro join_check_digit(row) -%}
    case
        when
            {{ matches(row ~ '.number_of_rut', '^[0-9][0-9.]{0,11}$') }}
            and {{ matches(row ~ '.check_digit_of_rut', '^[0-9K]$') }}
            then
                concat(
                    ltrim(replace({{ row }}.number_of_rut, '.', ''), '0'),
                    '-',
                    {{ row }}.check_digit_of_rut
                )
    end
{%- endmacro %}

{#
    The customer of a row: a RUT that came without its check digit is joined to it. One that came
    with a digit must have the same, else it is nobody's.
#}
{% macro choose_customer_id(row) -%}
    case
        when {{ row }}.check_digit_of_rut is null then {{ row }}.written_id
        when {{ is_valid_rut(row ~ '.joined_rut') }} then {{ row }}.joined_rut
        when right({{ row }}.written_id, 1) = {{ row }}.check_digit_of_rut
            then {{ row }}.written_id
    end
{%- endmacro %}

{#
    Whether a normalized RUT carries the check digit that its number asks for: the digits from
    the right times 2, 3, 4, 5, 6, 7, 2, 3, 4, summed, modulo 11 (Servicio de Registro Civil).
#}
{% macro is_valid_rut(rut) -%}
    {%- set number -%}
        cast(concat('0', substring({{ rut }}, 1, length({{ rut }}) - 2)) as bigint)
    {%- endset -%}
    coalesce(
        length({{ rut }}) between 3 and 11
        and right({{ rut }}, 1) = substring(
            '0K987654321',
            1 + mod(
                {%- for weight in [2, 3, 4, 5, 6, 7, 2, 3, 4] %}
                {{ weight }} * mod({{ divide_whole(number, 10 ** loop.index0) }}, 10)
                {{- " +" if not loop.last }}
                {%- endfor %},
                11
            ),
            1
        ),
        false
    )
{%- endmacro %}

{# A whole number divided by another, without what is left over. #}
{% macro divide_whole(number, divisor) -%}
    {{ return(adapter.dispatch('divide_whole', 'saldo')(number, divisor)) }}
{%- endmacro %}

{% macro default__divide_whole(number, divisor) -%} {{ number }} div {{ divisor }} {%- endmacro %}

{% macro duckdb__divide_whole(number, divisor) -%} {{ number }} // {{ divisor }} {%- endmacro %}

{# The key of a customer as one column: a hash of organization and normal customer id (R1, R26). #}
{% macro hash_customer(organization_id, customer_id) -%}
    md5(concat({{ organization_id }}, '|', {{ normal_id(customer_id) }}))
{%- endmacro %}

{#
    Whether an id is longer than any id is. What is that long has swallowed the fields or lines
    after a quote that was not closed where it should have been.
#}
{% macro is_too_long_id(id) -%} coalesce(length({{ id }}) > 256, false) {%- endmacro %}

{# Why the customer of a row cannot be read, null if it can (R15). #}
{% macro find_customer_code(row) -%}
    case
        when {{ row }}.customer_id_text is null then 'missing_customer_id'
        when {{ find_mangled_code(row ~ '.customer_id_text') }} is not null
            then {{ find_mangled_code(row ~ '.customer_id_text') }}
        when
            {{ row }}.customer_id_scheme = 'rut'
            and not {{ is_valid_rut(row ~ '.customer_id') }}
            then 'invalid_rut'
        when {{ is_too_long_id(row ~ '.customer_id') }} then 'id_too_long'
    end
{%- endmacro %}

{# Why the product of a row cannot be read, null if it can (R15). #}
{% macro find_product_code(row) -%}
    case
        when {{ row }}.product_id is null then 'missing_product_id'
        when {{ find_mangled_code(row ~ '.product_id') }} is not null
            then {{ find_mangled_code(row ~ '.product_id') }}
        when {{ is_too_long_id(row ~ '.product_id') }} then 'id_too_long'
    end
{%- endmacro %}

{#
    The debts that agree with all that can be read of the keys of refused rows (R5): which file's
    row it is, and the debt. A row of which neither customer nor product can be read names none.

    partial_keys: with file_id, organization_id and the readable parts.
    debts: with debt_id, organization_id and the parts, ids in their normal form.
#}
{% macro find_agreeing_debts(partial_keys, debts) -%}
    {%- set parts = ['customer_id', 'product_id', 'due_date'] -%}
    {%- for readable in [
        ['customer_id', 'product_id'],
        ['customer_id', 'due_date'],
        ['product_id', 'due_date'],
        ['customer_id'],
        ['product_id'],
    ] %}
    select
        {{ partial_keys }}.file_id,
        {{ debts }}.debt_id
    from {{ partial_keys }}
    inner join {{ debts }}
        on
            {{ partial_keys }}.organization_id = {{ debts }}.organization_id
            {%- for part in readable %}
            and {{ partial_keys }}.readable_{{ part }} = {{ debts }}.{{ part }}
            {%- endfor %}
    where
        {%- for part in parts if part not in readable %}
        {{ "and " if not loop.first }}{{ partial_keys }}.readable_{{ part }} is null
        {%- endfor %}
    {%- if not loop.last %}
    union distinct
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#
    The key of a debt as one column: a hash of organization, due date, customer and product (R1).

    The ids are in their normal form, however they are spelled. The customer id is preceded by its
    length, so that no two different keys give one text.
#}
{% macro hash_debt(organization_id, customer_id, product_id, due_date) -%}
    {%- set customer = normal_id(customer_id) -%}
    md5(
        concat(
            {{ organization_id }},
            '|',
            cast({{ due_date }} as {{ dbt.type_string() }}),
            '|',
            cast(length({{ customer }}) as {{ dbt.type_string() }}),
            '|',
            {{ customer }},
            '|',
            {{ normal_id(product_id) }}
        )
    )
{%- endmacro %}
