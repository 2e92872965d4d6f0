-- The start of each mismatch (R25). Computed in each build from facts of their time and the
-- current normal durations of channels, so it does not depend on a previous build.
{%- set columns = [
    'code', 'subject', 'organization_id', 'payment_id', 'debt_id', 'began_at', 'event_id',
    'file_id', 'is_open',
] %}

with of_payments as (
    select * from {{ ref('int_payment_exceptions__of_payments') }}
),

of_channels as (
    select * from {{ ref('int_payment_exceptions__of_channels') }}
),

of_files as (
    select * from {{ ref('int_payment_exceptions__of_files') }}
),

of_events as (
    select * from {{ ref('int_payment_exceptions__of_events') }}
),

of_money as (
    select * from {{ ref('int_payment_exceptions__of_money') }}
),

without_currency as (
    select * from of_payments
    union all
    select * from of_channels
    union all
    select * from of_events
),

begun as (
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        cast(null as {{ dbt.type_string() }}) as currency,
        0 as held_amount
    from without_currency
    union all
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        currency,
        0 as held_amount
    from of_files
    union all
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        currency,
        held_amount
    from of_money
)

select * from begun
