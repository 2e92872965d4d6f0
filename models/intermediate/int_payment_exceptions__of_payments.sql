-- Mismatches between payments and their debts (R25). Each row is a time at which the condition of
-- its code became true, from the versions of both.
with versions as (
    select
        *,
        lead(valid_from) over (
            partition by payment_key
            order by load_id
        ) as valid_to
    from {{ ref('int_payments__versioned') }}
),

debt_versions as (
    select * from {{ ref('int_debts__versioned') }}
),

expected as (
    select *
    from versions
    where status in ('in_process', 'authorized')
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
        expected.payment_key as subject,
        expected.organization_id,
        expected.payment_id,
        expected.debt_id,
        expected.valid_from as began_at,
        expected.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        expected.valid_to is null and known.known_from is null as is_open
    from expected
    left join known on expected.debt_id = known.debt_id
    where
        known.known_from is null
        or expected.valid_from < known.known_from
),

second_payment as (
    select
        'second_payment' as code,
        latter.payment_key as subject,
        latter.organization_id,
        latter.payment_id,
        latter.debt_id,
        greatest(latter.valid_from, former.valid_from) as began_at,
        latter.event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        latter.valid_to is null and former.valid_to is null as is_open
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
        expected.payment_key as subject,
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
        expected.valid_to is null and debt_versions.valid_to is null as is_open
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

-- The debt stays paid: a customer is never charged again for an amount that they have paid.
partly_reversed as (
    select
        'partly_reversed' as code,
        payment_key as subject,
        organization_id,
        payment_id,
        debt_id,
        valid_from as began_at,
        event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        valid_to is null as is_open
    from versions
    where
        reversed_amount > 0
        and reversed_amount < received_amount
),

event_not_counted as (
    select
        'event_not_counted' as code,
        payment_key as subject,
        organization_id,
        payment_id,
        debt_id,
        valid_from as began_at,
        uncounted_event_id as event_id,
        cast(null as {{ dbt.type_string() }}) as file_id,
        valid_to is null as is_open
    from versions
    where uncounted_event_id is not null
),

begun as (
    select * from unknown_debt
    union all
    select * from second_payment
    union all
    select * from amount_differs
    union all
    select * from partly_reversed
    union all
    select * from event_not_counted
)

select * from begun
