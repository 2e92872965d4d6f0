{#
    The customer id of a row in the form that debts are compared by (R1).

    A RUT loses dots, blanks and leading zeros and gains its hyphen and an upper-case K
    (`12.345.678-k` becomes `12345678-K`); an external id loses the blanks around it.
    What has not the shape of a RUT becomes null.
#}
{% macro normalise_customer_id(customer_id, scheme) -%}
    case
        when {{ scheme }} = 'rut' then {{ normalise_rut(customer_id) }}
        else nullif(trim({{ customer_id }}), '')
    end
{%- endmacro %}

{% macro normalise_rut(rut) -%}
    {%- set plain -%} upper(translate({{ rut }}, '.- ', '')) {%- endset -%}
    case
        -- as most files write it, at a tenth of the price
        when {{ matches(rut, '^[1-9][0-9]{0,8}-[0-9K]$') }} then {{ rut }}
        when {{ matches(rut, '^ *[0-9][0-9.]{0,11} ?-? ?[0-9kK] *$') }}
            then
                concat(
                    ltrim(substring({{ plain }}, 1, length({{ plain }}) - 1), '0'),
                    '-',
                    right({{ plain }}, 1)
                )
    end
{%- endmacro %}

{#
    Whether a normalised RUT carries the check digit that its number asks for: the digits from
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

{# The key of a customer as one column: a hash of organization and customer id (R26). #}
{% macro hash_customer(organization_id, customer_id) -%}
    md5(concat({{ organization_id }}, '|', {{ customer_id }}))
{%- endmacro %}

{#
    Whether an id is longer than any id is. What is that long has swallowed the fields or lines
    after a quote that was not closed where it should have been.
#}
{% macro is_too_long_id(id) -%} coalesce(length({{ id }}) > 256, false) {%- endmacro %}

{#
    The key of a debt as one column: a hash of organization, due date, customer and product (R1).

    The customer id is preceded by its length, so that no two different keys give one text.
#}
{% macro hash_debt(organization_id, customer_id, product_id, due_date) -%}
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
