{#
    The key of a part of a payment as one column (R21): a payment may pay several debts, and each
    part has its own state.
#}
{% macro hash_payment(organization_id, payment_id, debt_id) -%}
    md5(concat({{ organization_id }}, '|', {{ payment_id }}, '|', {{ debt_id }}))
{%- endmacro %}

{#
    An aggregate: the state of a part of a payment after its events, processed in the order of
    (occurred_at, loaded order) (R21). The result is a struct of the columns of next_payment_state.
    The order in which the events arrived has no effect.
#}
{% macro fold_payment_events(events) -%}
    {{ return(adapter.dispatch('fold_payment_events', 'saldo')(events)) }}
{%- endmacro %}

{% macro default__fold_payment_events(events) -%}
    aggregate(
        sort_array(collect_list(
            named_struct({{ name_fields(payment_event_as_state(events), "'{}', {}") }})
        )),
        named_struct({{ name_fields(first_payment_state(), "'{}', {}") }}),
        (state, event) -> named_struct({{ name_fields(next_payment_state(), "'{}', {}") }})
    )
{%- endmacro %}

{% macro duckdb__fold_payment_events(events) -%}
    list_reduce( -- noqa: PRS
        list_sort(list(
            struct_pack({{ name_fields(payment_event_as_state(events), '{} := {}') }})
        )),
        lambda state, event: struct_pack({{ name_fields(next_payment_state(), '{} := {}') }}),
        struct_pack({{ name_fields(first_payment_state(), '{} := {}') }})
    )
{%- endmacro %}

{% macro name_fields(fields, form) -%}
    {%- for name, value in fields -%}
    {{ form.format(name, value) }} {{- ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Engines require an event to have the columns of a state. The sort columns come first. #}
{% macro payment_event_as_state(events) -%}
    {{ return([
        ('occurred_at', events ~ '.occurred_at'),
        ('event_number', events ~ '.event_number'),
        ('event_id', events ~ '.event_id'),
        ('status', events ~ '.status'),
        ('amount', events ~ '.amount'),
        ('currency', events ~ '.currency'),
        ('received_amount', 'cast(null as ' ~ var('money_type') ~ ')'),
        ('reversed_amount', 'cast(0 as ' ~ var('money_type') ~ ')'),
        ('uncounted_event_id', 'cast(null as ' ~ dbt.type_string() ~ ')'),
    ]) }}
{%- endmacro %}

{% macro first_payment_state() -%}
    {%- set no_text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}
    {{ return([
        ('occurred_at', 'cast(null as ' ~ dbt.type_timestamp() ~ ')'),
        ('event_number', 'cast(null as bigint)'),
        ('event_id', no_text),
        ('status', no_text),
        ('amount', 'cast(null as ' ~ var('money_type') ~ ')'),
        ('currency', no_text),
        ('received_amount', 'cast(null as ' ~ var('money_type') ~ ')'),
        ('reversed_amount', 'cast(0 as ' ~ var('money_type') ~ ')'),
        ('uncounted_event_id', no_text),
    ]) }}
{%- endmacro %}

{#
    The state after an event (R21; docs/rules.md describes it in words).

    Money stands from an authorization until it is rejected or fully given back. received_amount is
    the authorized amount, or null without an authorization; reversed_amount is the part that was
    given back. While money stands, another authorization repeats or corrects the amount and does
    not undo a reversal. uncounted_event_id is the first event that does not count, or not in full.
#}
{% macro next_payment_state() -%}
    {%- set stands -%}
        coalesce(
            state.received_amount is not null and state.status in ('authorized', 'in_process'), false
        )
    {%- endset -%}

    {#- An authorization of the remaining amount is a repetition. One of no more than the amount
        given back would leave nothing, and is ignored. Neither changes an amount. -#}
    {%- set corrects_nothing -%}
        (
            state.reversed_amount > 0
            and (
                event.amount = state.received_amount - state.reversed_amount
                or event.amount <= state.reversed_amount
            )
        )
    {%- endset -%}

    {%- set keeps_amounts -%}
        (
            (event.status = 'reversed' and state.received_amount is not null)
            or ({{ stands }} and event.status in ('in_process', 'rejected'))
            or (
                {{ stands }}
                and event.status = 'authorized'
                and event.currency = state.currency
                and {{ corrects_nothing }}
            )
        )
    {%- endset -%}

    {%- set status -%}
        case
            when event.status <> 'reversed' or not {{ stands }} then event.status
            when event.currency <> state.currency then state.status
            when event.amount < state.received_amount - state.reversed_amount then 'authorized'
            else 'reversed'
        end
    {%- endset -%}

    {%- set received_amount -%}
        case
            when {{ keeps_amounts }} then state.received_amount
            when event.status = 'authorized' then event.amount
        end
    {%- endset -%}

    {%- set reversed_amount -%}
        cast(
            case
                when {{ stands }} and event.status = 'rejected' then state.received_amount
                when {{ stands }} and event.status = 'reversed' and event.currency = state.currency
                    -- not a sum above the received amount: it may be longer than an amount
                    then
                        case
                            when event.amount < state.received_amount - state.reversed_amount
                                then state.reversed_amount + event.amount
                            else state.received_amount
                        end
                when
                    {{ keeps_amounts }}
                    or (
                        {{ stands }}
                        and event.status = 'authorized'
                        and event.currency = state.currency
                    )
                    then state.reversed_amount
                else 0
            end as {{ var('money_type') }}
        )
    {%- endset -%}

    {%- set uncounted_event_id -%}
        case
            when state.uncounted_event_id is not null then state.uncounted_event_id
            -- in another currency, of more than the remaining amount, or of zero
            when {{ stands }} and event.status = 'reversed'
                then
                    case
                        when
                            event.currency <> state.currency
                            or event.amount > state.received_amount - state.reversed_amount
                            or (event.amount = 0 and state.received_amount > 0)
                            then event.event_id
                    end
            -- nothing to give back; reversing a payment in process only ends it
            when event.status = 'reversed' and state.status is distinct from 'in_process'
                then event.event_id
            -- the reversal came before the authorization
            when
                event.status = 'authorized'
                and state.status = 'reversed'
                and state.received_amount is null
                then state.event_id
            when
                event.status = 'authorized'
                and {{ stands }}
                and event.currency = state.currency
                and event.amount <> state.received_amount - state.reversed_amount
                and {{ corrects_nothing }}
                then event.event_id
        end
    {%- endset -%}

    {{ return([
        ('occurred_at', 'event.occurred_at'),
        ('event_number', 'event.event_number'),
        ('event_id', 'event.event_id'),
        ('status', status),
        ('amount', 'case when ' ~ keeps_amounts ~ ' then state.amount else event.amount end'),
        ('currency', 'case when ' ~ keeps_amounts ~ ' then state.currency else event.currency end'),
        ('received_amount', received_amount),
        ('reversed_amount', reversed_amount),
        ('uncounted_event_id', uncounted_event_id),
    ]) }}
{%- endmacro %}
