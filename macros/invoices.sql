{#
    The rows of debts files as they came, with the contract by which each is read, and a hash of both
    (R32). Date form, decimal separator and id scheme are properties of the file.
#}
{% macro join_contracts(rows, files) -%}
    select
        {%- for column in [
            'load_id', 'file_id', 'line_number', 'customer_id', 'product_id', 'due_date', 'amount',
            'currency', 'is_paid', 'is_void', 'name', 'mail', 'attributes', 'attribute_length',
        ] %}
        {{ rows }}.{{ column }},
        {%- endfor %}
        {{ find_check_digit(rows, files) }} as check_digit,
        {{ files }}.organization_id,
        {{ files }}.customer_id_scheme,
        {{ files }}.currency as contract_currency,
        {{ files }}.decimal_separator,
        {{ files }}.date_format,
        {{ hash_row(rows, files) }} as row_hash
    from {{ rows }}
    inner join {{ files }} on {{ rows }}.file_id = {{ files }}.file_id
{%- endmacro %}

{#
    The rows of debts files, read by the contract of their file: trimmed, cast and normalized (R1,
    R12, R14). Nothing is decided. rows: of join_contracts.
#}
{% macro read_invoices(rows) -%}
    select
        -- ids
        joined.load_id,
        joined.file_id,
        joined.line_number,
        joined.organization_id,
        joined.customer_id_scheme,
        {{ spell_id('joined.customer_id') }} as customer_id_text,
        {{ choose_customer_id('joined') }} as customer_id,
        {{ spell_id('joined.product_id') }} as product_id,

        -- amounts
        joined.amount as amount_text,
        case
            when joined.is_in_contract_currency
                then
                    {{ parse_amount(
                        'joined.amount', 'joined.decimal_separator', 'joined.contract_currency'
                    ) }}
        end as amount,
        joined.contract_currency as currency,
        joined.is_in_contract_currency,

        -- dates
        joined.due_date as due_date_text,
        {{ parse_date('joined.due_date', 'joined.date_format') }} as due_date,

        -- flags
        {{ parse_flag('joined.is_paid') }} as is_paid,
        {{ parse_flag('joined.is_void') }} as is_void,

        -- the other columns of the row
        nullif({{ strip('joined.name') }}, '') as name,
        nullif({{ strip('joined.mail') }}, '') as mail,
        joined.attributes,
        joined.attribute_length,
        joined.row_hash
    from (
        select
            spelled.*,
            {{ join_check_digit('spelled') }} as joined_rut
        from (
            select
                {{ rows }}.*,
                {{ read_customer_id(rows, rows ~ '.customer_id_scheme', rows ~ '.check_digit') }},
                {{ is_contract_currency(rows ~ '.currency', rows ~ '.contract_currency') }}
                    as is_in_contract_currency
            from {{ rows }}
        ) as spelled
    ) as joined
{%- endmacro %}

{#
    The rows of read_invoices with the debt that each names and the code that refuses it, or none
    (R15). Of a key that cannot be read whole, the parts that can be read (R5).
#}
{% macro code_invoices(rows) -%}
    select
        keyed.*,
        case
            when keyed.key_code is null
                then
                    {{ hash_normal_debt(
                        'keyed.organization_id', 'keyed.normal_customer_id',
                        'keyed.normal_product_id', 'keyed.due_date'
                    ) }}
        end as debt_id,
        case
            when keyed.key_code is not null and keyed.customer_code is null
                then keyed.normal_customer_id
        end as readable_customer_id,
        case
            when keyed.key_code is not null and keyed.product_code is null
                then keyed.normal_product_id
        end as readable_product_id,
        case
            when keyed.key_code is not null and keyed.due_date_code is null then keyed.due_date
        end as readable_due_date,
        coalesce(keyed.key_code, keyed.value_code) as row_code
    from (
        select
            coded.*,
            {{ normal_id('coded.customer_id') }} as normal_customer_id,
            {{ normal_id('coded.product_id') }} as normal_product_id,
            coalesce(coded.customer_code, coded.product_code, coded.due_date_code) as key_code
        from (
            select
                {{ rows }}.*,
                {{ find_customer_code(rows) }} as customer_code,
                {{ find_product_code(rows) }} as product_code,
                {{ find_due_date_code(rows) }} as due_date_code,
                case
                    when not {{ rows }}.is_in_contract_currency then 'other_currency'
                    when {{ rows }}.amount is null then 'invalid_amount'
                    when {{ rows }}.amount < 0 then 'negative_amount'
                    when {{ rows }}.is_paid is null or {{ rows }}.is_void is null
                        then 'invalid_flag'
                    when {{ rows }}.attribute_length > 256 then 'attribute_too_long'
                end as value_code
            from {{ rows }}
        ) as coded
    ) as keyed
{%- endmacro %}

{# Keys that two valid rows of a file have, with the last line, which wins (R15). #}
{% macro find_repeated_keys(rows) -%}
    select
        file_id,
        debt_id,
        max(line_number) as last_line_number
    from {{ rows }}
    where row_code is null
    group by
        file_id,
        debt_id
    having count(*) > 1
{%- endmacro %}

{#
    Rows of code_invoices with the code that refuses each, or none: its own, or that a later row of
    its file has its key (R15). repeated: of find_repeated_keys.
#}
{% macro check_invoices(rows, repeated) -%}
    select
        {%- for column in [
            'load_id', 'file_id', 'line_number', 'organization_id', 'debt_id',
            'readable_customer_id', 'readable_product_id', 'readable_due_date', 'customer_id',
            'product_id', 'due_date', 'amount', 'currency', 'is_paid', 'is_void', 'attributes',
            'customer_id_text', 'due_date_text', 'amount_text', 'row_hash', 'is_recognized',
        ] %}
        {{ rows }}.{{ column }},
        {%- endfor %}
        case
            when {{ rows }}.row_code is not null then {{ rows }}.row_code
            when {{ rows }}.line_number < {{ repeated }}.last_line_number then 'duplicate_key'
        end as rejection_code
    from {{ rows }}
    left join {{ repeated }}
        on
            {{ rows }}.file_id = {{ repeated }}.file_id
            and {{ rows }}.debt_id = {{ repeated }}.debt_id
{%- endmacro %}

{#
    A hash of 128 bits of a row's text and of all that its meaning depends on (R32): the contract
    by which it is read, and the SQL of the rules, so that a row is read again when they change. Each
    text stands behind its length, so no two rows are the same by where their cells end.
#}
{% macro hash_row(rows, files) -%}
    {%- set parts = ["'" ~ hash_rules() ~ "'"] -%}
    {%- for column in [
        'organization_id', 'customer_id_scheme', 'currency', 'decimal_separator', 'date_format'
    ] -%}
        {%- do parts.append(files ~ '.' ~ column) -%}
    {%- endfor -%}
    {%- for column in [
        'customer_id', 'check_digit', 'product_id', 'due_date', 'amount', 'currency', 'is_paid',
        'is_void', 'name', 'mail', 'attributes'
    ] -%}
        {%- set text = find_check_digit(rows, files) if column == 'check_digit' -%}
        {%- do parts.append(text or rows ~ '.' ~ column) -%}
    {%- endfor -%}
    {{ hash_texts(parts) }}
{%- endmacro %}

{# A hash of the SQL of the rules by which a row is read, coded and checked. #}
{% macro hash_rules() -%}
    {%- set rules = [
        read_invoices('rows'), code_invoices('rows'), find_repeated_keys('rows'),
        check_invoices('rows', 'repeated')
    ] -%}
    {{ return(local_md5(rules | join)) }}
{%- endmacro %}

{# The type of such a hash. #}
{% macro row_hash_type() -%} {{ return(var('row_hash_types')[target.type]) }} {%- endmacro %}

{% macro hash_texts(texts) -%} {{ return(adapter.dispatch('hash_texts', 'saldo')(texts)) }} {%- endmacro %}

{% macro default__hash_texts(texts) -%}
    md5(concat(
        {%- for text in texts %}
        coalesce(cast(octet_length({{ text }}) as {{ dbt.type_string() }}), ''), ':',
        coalesce({{ text }}, '') {{- ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{# A number of 128 bits takes half the room of its hexadecimal text. DuckDB's concat leaves out nulls. #}
{% macro duckdb__hash_texts(texts) -%}
    md5_number(concat(
        {%- for text in texts %}
        strlen({{ text }}), ':', {{ text }} {{- ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
