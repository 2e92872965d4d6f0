-- What does not fit, a row each (R25). Each code below lists the moments at which its condition
-- came true, from the versions of payments and debts; the first of them opened the exception.
-- Derived anew in each build from facts of their time and what channels normally take now, so it
-- depends on no former build.
with versions as (
    select
        *,
        lead(valid_from) over (
            partition by payment_key
            order by load_id
        ) as valid_to
    from {{ ref('int_payments__versioned') }}
),

history as (
    select * from {{ ref('debts_history') }}
),

debts as (
    select * from {{ ref('debts') }}
),

-- Imported again: an engine writes out what two read, and debts are many.
listed_debts as (
    select * from {{ ref('debts') }}
),

listed_after_paid as (
    select * from {{ ref('int_debts__listed_after_paid') }}
),

events as (
    select * from {{ ref('int_payment_events__deduplicated') }}
),

file_lines as (
    select * from {{ ref('payments_file_lines') }}
),

payments as (
    select * from {{ ref('payments') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

business_dates as (
    select * from {{ ref('int_business_dates__numbered') }}
),

channels as (
    select * from {{ ref('payment_channels') }}
),

codes as (
    select * from {{ ref('payment_exception_codes') }}
),

expected as (
    select *
    from versions
    where status in ('in_process', 'authorized')
),

paid_for as (
    select distinct debt_id
    from versions
),

debt_versions as (
    select
        history.debt_id,
        history.status,
        history.file_status,
        history.amount,
        history.currency,
        history.payment_id,
        history.organization_id,
        history.version_file_id,
        history.dbt_valid_from as valid_from,
        history.dbt_valid_to as valid_to,
        lag(history.status) over debt_order as former_status,
        lag(history.file_status) over debt_order as former_file_status,
        lag(history.amount) over debt_order as former_amount,
        lag(history.currency) over debt_order as former_currency,
        lag(history.payment_id) over debt_order as former_payment_id
    from history
    inner join paid_for on history.debt_id = paid_for.debt_id
    window debt_order as (partition by history.debt_id order by history.dbt_valid_from)
),

known as (
    select
        debt_id,
        min(valid_from) as known_from
    from debt_versions
    group by debt_id
),

unknown_debt as (
    select
        'unknown_debt' as code,
        concat(expected.payment_key, '|', expected.debt_id) as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        expected.valid_from as began_at,
        expected.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        expected.valid_to is null and known.known_from is null as is_open,
        0 as held_amount
    from expected
    left join known on expected.debt_id = known.debt_id
    where
        known.known_from is null
        or expected.valid_from < known.known_from
),

second_payment as (
    select
        'second_payment' as code,
        concat(latter.payment_key, '|', latter.debt_id) as subject,
        latter.organization_id,
        latter.payment_id,
        latter.debt_id,
        greatest(latter.valid_from, former.valid_from) as began_at,
        latter.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        latter.valid_to is null and former.valid_to is null as is_open,
        0 as held_amount
    from expected as latter
    inner join expected as former
        on
            latter.debt_id = former.debt_id
            and latter.payment_key <> former.payment_key
            and (latter.valid_to is null or latter.valid_to > former.valid_from)
            and (former.valid_to is null or latter.valid_from < former.valid_to)
    where
        latter.status = 'authorized'
        and former.status = 'authorized'
        and (
            latter.occurred_at > former.occurred_at
            or (latter.occurred_at = former.occurred_at and latter.payment_id > former.payment_id)
        )
),

amount_differs as (
    select
        'amount_differs' as code,
        concat(expected.payment_key, '|', expected.debt_id) as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        greatest(expected.valid_from, debt_versions.valid_from) as began_at,
        case
            when expected.valid_from >= debt_versions.valid_from then expected.event_id
        end as event_id,
        case
            when expected.valid_from < debt_versions.valid_from
                then debt_versions.version_file_id
        end as file_id,
        expected.valid_to is null and debt_versions.valid_to is null as is_open,
        0 as held_amount
    from expected
    inner join debt_versions
        on
            expected.debt_id = debt_versions.debt_id
            and (expected.valid_to is null or expected.valid_to > debt_versions.valid_from)
            and (debt_versions.valid_to is null or expected.valid_from < debt_versions.valid_to)
    where
        expected.amount <> debt_versions.amount
        or expected.currency <> debt_versions.currency
),

still_listed as (
    select
        'listed_after_paid' as code,
        listed_after_paid.debt_id as subject,
        listed_after_paid.organization_id,
        listed_after_paid.payment_id,
        listed_after_paid.debt_id,
        listed_after_paid.listed_at as began_at,
        cast(null as {{ dbt.type_string() }}) as event_id,
        listed_after_paid.file_id,
        listed_debts.status = 'paid' and listed_debts.file_status = 'listed' as is_open,
        0 as held_amount
    from listed_after_paid
    inner join listed_debts on listed_after_paid.debt_id = listed_debts.debt_id
),

-- That a file leaves out a debt in process is how files are made, not an exception.
changed_in_process as (
    select
        'changed_in_process' as code,
        concat(debt_versions.former_payment_id, '|', debt_versions.debt_id) as subject,
        debt_versions.organization_id,
        debt_versions.former_payment_id as payment_id,
        debt_versions.debt_id,
        debt_versions.valid_from as began_at,
        cast(null as {{ dbt.type_string() }}) as event_id,
        debt_versions.version_file_id as file_id,
        holding.payment_key is not null as is_open,
        0 as held_amount
    from debt_versions
    left join expected as holding
        on
            debt_versions.debt_id = holding.debt_id
            and debt_versions.former_payment_id = holding.payment_id
            and holding.status = 'in_process'
            and holding.valid_to is null
    where
        debt_versions.former_status = 'in_process'
        and (
            (
                debt_versions.status = 'in_process'
                and (
                    debt_versions.amount <> debt_versions.former_amount
                    or debt_versions.currency <> debt_versions.former_currency
                    or (
                        debt_versions.file_status = 'void'
                        and debt_versions.former_file_status <> 'void'
                    )
                )
            )
            or (
                debt_versions.file_status = 'paid'
                and debt_versions.former_file_status <> 'paid'
            )
        )
),

in_process_too_long as (
    select
        'in_process_too_long' as code,
        expected.payment_key as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        loads.loaded_at as began_at,
        expected.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        expected.valid_to is null as is_open,
        0 as held_amount
    from expected
    inner join channels on lower(expected.channel) = channels.raw_channel
    inner join loads
        on
            expected.valid_from <= loads.loaded_at
            and (expected.valid_to is null or expected.valid_to > loads.loaded_at)
            and expected.in_process_on < loads.business_date
    inner join business_dates as since
        on
            expected.country = since.country
            and expected.in_process_on = since.calendar_date
    inner join business_dates as until
        on
            expected.country = until.country
            and loads.business_date = until.calendar_date
    where
        expected.status = 'in_process'
        and until.business_day_number - since.business_day_number > channels.normal_business_days
),

newest_known as (
    select
        organization_id,
        payment_id,
        event_number,
        occurred_at
    from payments
),

not_understood as (
    select
        case when events.has_contract then 'unknown_status' else 'unknown_organization' end
            as code,
        concat(events.organization_id, '|', events.payment_id) as subject,
        events.organization_id,
        events.payment_id,
        {{ hash_debt(
            'events.organization_id', 'events.customer_id', 'events.product_id', 'events.due_date'
        ) }} as debt_id,
        loads.loaded_at as began_at,
        events.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        newest_known.payment_id is null
        or events.occurred_at > newest_known.occurred_at
        or (
            events.occurred_at = newest_known.occurred_at
            and events.event_number > newest_known.event_number
        ) as is_open,
        0 as held_amount
    from events
    inner join loads on events.load_id = loads.load_id
    left join newest_known
        on
            events.organization_id = newest_known.organization_id
            and events.payment_id = newest_known.payment_id
    where events.status is null
),

unknown_channel as (
    select
        'unknown_channel' as code,
        expected.payment_key as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        expected.valid_from as began_at,
        expected.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        expected.valid_to is null as is_open,
        0 as held_amount
    from expected
    left join channels on lower(expected.channel) = channels.raw_channel
    where channels.raw_channel is null
),

-- What came and what was said, load by load: their sums must meet.
moved as (
    select
        organization_id,
        payment_id,
        currency,
        load_id,
        event_id,
        case when status = 'authorized' then amount else 0 end as amount
    from versions
    union all
    select
        organization_id,
        payment_id,
        currency,
        lead(load_id) over (partition by payment_key order by load_id) as load_id,
        lead(event_id) over (partition by payment_key order by load_id) as event_id,
        case when status = 'authorized' then -amount else 0 end as amount
    from versions
    union all
    select
        organization_id,
        payment_id,
        currency,
        load_id,
        event_id,
        -amount as amount
    from file_lines
    where status in ('autorizado', 'reversado')
),

moved_by_load as (
    select
        organization_id,
        payment_id,
        currency,
        load_id,
        max(event_id) as event_id,
        sum(amount) as amount
    from moved
    where load_id is not null
    group by
        organization_id,
        payment_id,
        currency,
        load_id
),

held as (
    select
        organization_id,
        payment_id,
        currency,
        load_id,
        event_id,
        sum(amount) over (
            partition by organization_id, payment_id, currency
            order by load_id
            rows between unbounded preceding and current row
        ) as held_amount,
        lead(load_id) over (
            partition by organization_id, payment_id, currency
            order by load_id
        ) as next_load_id
    from moved_by_load
),

unpublished_money as (
    select
        'unpublished_money' as code,
        concat(held.organization_id, '|', held.payment_id, '|', held.currency) as subject,
        held.organization_id,
        held.payment_id,
        payments.debt_id,
        loads.loaded_at as began_at,
        held.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        held.next_load_id is null as is_open,
        case when held.next_load_id is null then held.held_amount else 0 end as held_amount
    from held
    inner join loads on held.load_id = loads.load_id
    inner join payments
        on
            held.organization_id = payments.organization_id
            and held.payment_id = payments.payment_id
    where held.held_amount <> 0
),

begun as (
    {%- for code in [
        'unknown_debt', 'second_payment', 'amount_differs', 'still_listed', 'changed_in_process',
        'in_process_too_long', 'not_understood', 'unknown_channel', 'unpublished_money'
    ] %}
    select * from {{ code }}
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by code, organization_id, subject
            order by began_at, event_id, file_id
        ) as beginning,
        max(case when is_open then 1 else 0 end) over (
            partition by code, organization_id, subject
        ) = 1 as is_still_open,
        sum(held_amount) over (partition by code, organization_id, subject) as held_now
    from begun
),

concerned as (
    select distinct debt_id
    from ranked
    where beginning = 1
),

own_debts as (
    select debts.*
    from debts
    inner join concerned on debts.debt_id = concerned.debt_id
),

told as (
    select
        md5(concat(ranked.code, '|', ranked.organization_id, '|', ranked.subject)) as exception_id,
        ranked.code,
        codes.description,
        ranked.organization_id,
        ranked.payment_id,
        ranked.debt_id,
        coalesce(
            own_debts.customer_id, own_payments.customer_id, events.customer_id
        ) as customer_id,
        coalesce(own_debts.product_id, own_payments.product_id, events.product_id) as product_id,
        coalesce(own_debts.due_date, own_payments.due_date, events.due_date) as due_date,
        coalesce(payments.channel, events.channel) as channel,
        payments.status as payment_status,
        payments.amount as payment_amount,
        own_debts.status as debt_status,
        own_debts.amount as debt_amount,
        coalesce(payments.currency, own_debts.currency, events.currency) as currency,
        cast(ranked.held_now as decimal(38, 2)) as held_amount,
        ranked.began_at as opened_at,
        loads.business_date as opened_on,
        ranked.event_id as opened_by_event_id,
        ranked.file_id as opened_by_file_id,
        ranked.is_still_open as is_open
    from ranked
    inner join codes on ranked.code = codes.code
    inner join loads on ranked.began_at = loads.loaded_at
    left join payments
        on
            ranked.organization_id = payments.organization_id
            and ranked.payment_id = payments.payment_id
    left join payments as own_payments
        on
            ranked.organization_id = own_payments.organization_id
            and ranked.payment_id = own_payments.payment_id
            and ranked.debt_id = own_payments.debt_id
    left join own_debts on ranked.debt_id = own_debts.debt_id
    left join events
        on
            ranked.organization_id = events.organization_id
            and ranked.event_id = events.event_id
    where ranked.beginning = 1
)

select * from told
