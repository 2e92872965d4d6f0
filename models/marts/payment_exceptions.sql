-- Mismatches, one per row (R25); opened the first time that the condition of its code became true.
with begun as (
    select * from {{ ref('int_payment_exceptions__begun') }}
),

debts as (
    select * from {{ ref('debts') }}
),

events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

contradicted as (
    select * from {{ ref('int_payment_events__contradicted') }}
),

payments as (
    select * from {{ ref('payments') }}
),

organization_payments as (
    select * from {{ ref('int_organization_payments__counted') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

codes as (
    select * from {{ ref('payment_exception_codes') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by code, organization_id, subject
            order by began_at asc, event_id asc nulls last, file_id asc nulls last
        ) as beginning,
        max(case when is_open then 1 else 0 end) over (
            partition by code, organization_id, subject
        ) = 1 as is_still_open,
        sum(held_amount) over (partition by code, organization_id, subject) as held_now
    from begun
),

concerned as (
    select distinct debt_id
    from begun
),

own_debts as (
    select debts.*
    from debts
    inner join concerned on debts.debt_id = concerned.debt_id
),

-- The debt of a repetition that did not count; it may differ from the debt of its first event.
repetitions as (
    select
        organization_id,
        event_id,
        payment_id,
        debt_id,
        min(customer_id) as customer_id,
        min(product_id) as product_id,
        min(due_date) as due_date,
        min(channel) as channel,
        min(currency) as currency
    from contradicted
    group by
        organization_id,
        event_id,
        payment_id,
        debt_id
),

exceptions_described as (
    select
        md5(concat(ranked.code, '|', ranked.organization_id, '|', ranked.subject)) as exception_id,
        ranked.code,
        codes.description,
        ranked.organization_id,
        ranked.payment_id,
        ranked.debt_id,
        coalesce(
            own_debts.customer_id,
            payments.customer_id,
            organization_payments.customer_id,
            repetitions.customer_id,
            events.customer_id
        ) as customer_id,
        coalesce(
            own_debts.product_id,
            payments.product_id,
            organization_payments.product_id,
            repetitions.product_id,
            events.product_id
        ) as product_id,
        coalesce(
            own_debts.due_date,
            payments.due_date,
            organization_payments.due_date,
            repetitions.due_date,
            events.due_date
        ) as due_date,
        coalesce(payments.channel, repetitions.channel, events.channel) as channel,
        payments.status as payment_status,
        cast(
            coalesce(payments.amount, organization_payments.paid_amount)
            as {{ var('money_sum_type') }}
        ) as payment_amount,
        own_debts.status as debt_status,
        own_debts.amount as debt_amount,
        coalesce(
            ranked.currency,
            payments.currency,
            own_debts.currency,
            repetitions.currency,
            events.currency
        ) as currency,
        cast(ranked.held_now as {{ var('money_sum_type') }}) as held_amount,
        ranked.began_at as opened_at,
        loads.business_date as opened_on,
        ranked.event_id as opened_by_event_id,
        ranked.file_id as opened_by_file_id,
        ranked.is_still_open as is_open
    from ranked
    left join codes on ranked.code = codes.code
    inner join loads on ranked.began_at = loads.loaded_at
    left join payments
        on
            ranked.organization_id = payments.organization_id
            and ranked.payment_id = payments.payment_id
            and ranked.debt_id = payments.debt_id
    left join own_debts on ranked.debt_id = own_debts.debt_id
    left join organization_payments
        on
            ranked.debt_id = organization_payments.debt_id
            and coalesce(ranked.currency, own_debts.currency) = organization_payments.currency
            and ranked.payment_id is null
    left join repetitions
        on
            ranked.code = 'repeated_otherwise'
            and ranked.organization_id = repetitions.organization_id
            and ranked.event_id = repetitions.event_id
            and ranked.payment_id = repetitions.payment_id
            and ranked.debt_id = repetitions.debt_id
    left join events
        on
            ranked.organization_id = events.organization_id
            and ranked.event_id = events.event_id
    where ranked.beginning = 1
)

select * from exceptions_described
