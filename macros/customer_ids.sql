{#
    Return the customer id of a row as the organization gets it back (R1). An external id stays as
    it is written. A RUT has no dots, blanks or leading zeros, a hyphen, and an upper-case K
    (`12.345.678-k` becomes `12345678-K`). A text that is not shaped like a RUT becomes null.
#}
{% macro normalize_customer_id(customer_id, scheme) -%}
    case
        when {{ scheme }} = 'rut' then {{ normalize_rut(customer_id) }}
        else {{ spell_id(customer_id) }}
    end
{%- endmacro %}

{#
    Text programs may replace the hyphen by another kind of dash. A float is no RUT: in `8516684.0`
    the zero is no check digit.
#}
{% macro normalize_rut(rut) -%}
    {%- set dashed -%} translate({{ normal_id(rut) }}, '‒–—−', '----') {%- endset -%}
    {%- set plain -%} upper(translate({{ dashed }}, '.- ', '')) {%- endset -%}
    case
        -- the usual form, at a tenth of the cost
        when {{ matches(rut, '^[1-9][0-9]{0,8}-[0-9K]$') }} then {{ rut }}
        when
            {{ matches(dashed, '^[0-9][0-9.]{0,11} ?-? ?[0-9kK]$') }}
            and not {{ matches(dashed, float_form()) }}
            then
                concat(
                    trim(leading '0' from substring({{ plain }}, 1, length({{ plain }}) - 1)),
                    '-',
                    right({{ plain }}, 1)
                )
    end
{%- endmacro %}

{#
    The check digit of a row: empty, not null, if its file has a column for it and the cell is empty.
#}
{% macro find_check_digit(rows, files) -%}
    case
        when {{ files }}.has_check_digit then coalesce({{ rows }}.check_digit, '')
        else {{ rows }}.check_digit
    end
{%- endmacro %}

{#
    Return the columns for the customer of a row: the id as it is written and, if the check digit
    of a RUT has a column of its own (R12), the digit and the number that it belongs to.
#}
{% macro read_customer_id(row, scheme, check_digit) -%}
    {{ normalize_customer_id(row ~ '.customer_id', scheme) }} as written_id,
    case
        when {{ scheme }} = 'rut' and {{ check_digit }} is not null
            then upper(replace({{ normal_id(check_digit) }}, '-', ''))
    end as check_digit_of_rut,
    case
        when {{ scheme }} = 'rut' and {{ check_digit }} is not null
            then {{ normal_id(row ~ '.customer_id') }}
    end as number_of_rut
{%- endmacro %}

{#
    Join a number and its check digit, both from read_customer_id, to a RUT; null if it is invalid.
#}
{% macro join_check_digit(row) -%}
    case
        when
            {{ matches(row ~ '.number_of_rut', '^[0-9][0-9.]{0,11}$') }}
            and not {{ matches(row ~ '.number_of_rut', float_form()) }}
            and {{ matches(row ~ '.check_digit_of_rut', '^[0-9K]$') }}
            then
                concat(
                    trim(leading '0' from replace({{ row }}.number_of_rut, '.', '')),
                    '-',
                    {{ row }}.check_digit_of_rut
                )
    end
{%- endmacro %}

{#
    Choose the customer of a row. A RUT without a check digit is joined to the digit in its own
    column. If a RUT has a digit, the two digits must be equal, else the id is null. Nine digits are
    a RUT with its digit, although they may pass for a number of which the digit is right, too. Fewer
    digits beside an empty cell are nobody's: their last one may pass for the digit of another person.
#}
{% macro choose_customer_id(row) -%}
    case
        when {{ row }}.check_digit_of_rut is null then {{ row }}.written_id
        when {{ row }}.check_digit_of_rut = ''
            then
                case
                    when
                        {{ matches(row ~ '.number_of_rut', '^[0-9.]*$') }}
                        and length(
                            trim(leading '0' from replace({{ row }}.number_of_rut, '.', ''))
                        ) < 9
                        then null
                    else {{ row }}.written_id
                end
        when
            length({{ row }}.joined_rut) > 10
            and right({{ row }}.written_id, 1) = {{ row }}.check_digit_of_rut
            and {{ is_valid_rut(row ~ '.written_id') }}
            then {{ row }}.written_id
        when {{ is_valid_rut(row ~ '.joined_rut') }} then {{ row }}.joined_rut
        when right({{ row }}.written_id, 1) = {{ row }}.check_digit_of_rut
            then {{ row }}.written_id
    end
{%- endmacro %}

{#
    Whether a normalized RUT has the right check digit: multiply its digits from the right by 2, 3,
    4, 5, 6, 7, 2, 3, 4, sum them, and take the sum modulo 11 (Servicio de Registro Civil).
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

{# Divide two whole numbers and drop the remainder. #}
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
    Whether a text is too long for an id. Such a text contains further fields or lines, because a
    quote was not closed.
#}
{% macro is_too_long_id(id) -%} coalesce(length({{ id }}) > 256, false) {%- endmacro %}

{#
    Whether there is no id: none, or only the word by which a database or a program exports none.
    `Null` and `null` may be names.
#}
{% macro is_missing_id(id) -%}
    coalesce({{ id }} in ('NULL', '(null)', 'nan', 'NaN', 'None', '<NA>'), true)
{%- endmacro %}

{# The code that says why the customer of a row cannot be read, or null (R15). #}
{% macro find_customer_code(row) -%}
    coalesce(
        case when {{ is_missing_id(row ~ '.customer_id_text') }} then 'missing_customer_id' end,
        {{ find_mangled_code(row ~ '.customer_id_text') }},
        case
            when
                {{ row }}.customer_id_scheme = 'rut'
                and not {{ is_valid_rut(row ~ '.customer_id') }}
                then 'invalid_rut'
            when {{ is_too_long_id(row ~ '.customer_id') }} then 'id_too_long'
        end
    )
{%- endmacro %}

{# The code that says why the product of a row cannot be read, or null (R15). #}
{% macro find_product_code(row) -%}
    coalesce(
        case when {{ is_missing_id(row ~ '.product_id') }} then 'missing_product_id' end,
        {{ find_mangled_code(row ~ '.product_id') }},
        case when {{ is_too_long_id(row ~ '.product_id') }} then 'id_too_long' end
    )
{%- endmacro %}

{# Why the due date of a row cannot be read, null if it can (R15). #}
{% macro find_due_date_code(row) -%}
    case when not {{ is_plausible_date(row ~ '.due_date') }} then 'invalid_due_date' end
{%- endmacro %}

{#
    Find the debts that match all readable parts of the keys of refused rows (R5). The columns are
    the file of the row, and the debt. A row without a readable customer or product matches none.

    partial_keys: a relation with file_id, organization_id and the readable parts. debts: a
    relation with debt_id, organization_id and the parts, ids in their normal form.
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

    The ids are in their normal form, whatever their spelling. The length of the customer id
    precedes it, so that two different keys never give the same text.
#}
{% macro hash_debt(organization_id, customer_id, product_id, due_date) -%}
    {{ hash_normal_debt(organization_id, normal_id(customer_id), normal_id(product_id), due_date) }}
{%- endmacro %}

{# The same of ids that are in their normal form already. #}
{% macro hash_normal_debt(organization_id, customer_id, product_id, due_date) -%}
    md5(
        concat(
            {{ organization_id }},
            '|',
            cast({{ due_date }} as {{ dbt.type_string() }}),
            '|',
            cast(length({{ customer_id }}) as {{ dbt.type_string() }}),
            '|',
            {{ customer_id }},
            '|',
            {{ product_id }}
        )
    )
{%- endmacro %}
