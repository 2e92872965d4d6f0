-- Mismatches between files and debts that payments paid or hold, and in organizations' own
-- payments files (R6, R25). Each row is a time at which the condition of its code became true.
with debt_versions as (
    select * from {{ ref('int_debts__versioned') }}
),

debts as (
    select * from {{ ref('debts') }}
),

payments as (
    select * from {{ ref('payments') }}
),

listed_after_paid as (
    select * from {{ ref('int_debts__listed_after_paid') }}
),

own_versions as (
    select
        *,
        lead(valid_from) over (
            partition by debt_id, currency
            order by load_id
        ) as valid_to
    from {{ ref('int_organization_payments__versioned') }}
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
        debts.status = 'paid' and debts.file_status = 'listed' as is_open,
        cast(null as {{ dbt.type_string() }}) as currency
    from listed_after_paid
    inner join debts on listed_after_paid.debt_id = debts.debt_id
),

-- A file that does not list a debt in process is normal, not an exception.
changed_in_process as (
    select
        'changed_in_process' as code,
        {{ hash_payment(
            'debt_versions.organization_id',
            'debt_versions.former_payment_id',
            'debt_versions.debt_id'
        ) }} as subject,
        debt_versions.organization_id,
        debt_versions.former_payment_id as payment_id,
        debt_versions.debt_id,
        debt_versions.valid_from as began_at,
        cast(null as {{ dbt.type_string() }}) as event_id,
        debt_versions.version_file_id as file_id,
        holding.payment_key is not null as is_open,
        cast(null as {{ dbt.type_string() }}) as currency
    from debt_versions
    left join payments as holding
        on
            debt_versions.debt_id = holding.debt_id
            and debt_versions.former_payment_id = holding.payment_id
            and holding.status = 'in_process'
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

own_amount_differs as (
    select
        'amount_differs' as code,
        concat('own|', own_versions.debt_id, '|', own_versions.currency) as subject,
        debt_versions.organization_id,
        cast(null as {{ dbt.type_string() }}) as payment_id,
        own_versions.debt_id,
        greatest(own_versions.valid_from, debt_versions.valid_from) as began_at,
        cast(null as {{ dbt.type_string() }}) as event_id,
        case
            when own_versions.valid_from >= debt_versions.valid_from then own_versions.file_id
            else debt_versions.version_file_id
        end as file_id,
        own_versions.valid_to is null and debt_versions.valid_to is null as is_open,
        own_versions.currency
    from own_versions
    inner join debt_versions
        on
            own_versions.debt_id = debt_versions.debt_id
            and (
                own_versions.valid_to is null
                or own_versions.valid_to > debt_versions.valid_from
            )
            and (
                debt_versions.valid_to is null
                or own_versions.valid_from < debt_versions.valid_to
            )
    where
        own_versions.is_counted
        and own_versions.has_all_amounts
        and (
            own_versions.paid_amount <> debt_versions.amount
            or own_versions.currency <> debt_versions.currency
        )
),

taken_back as (
    select
        'taken_back' as code,
        concat(own_versions.debt_id, '|', own_versions.currency) as subject,
        own_versions.organization_id,
        cast(null as {{ dbt.type_string() }}) as payment_id,
        own_versions.debt_id,
        own_versions.valid_from as began_at,
        cast(null as {{ dbt.type_string() }}) as event_id,
        own_versions.file_id,
        own_versions.valid_to is null
        and (
            debts.debt_id is null
            or debts.status <> 'paid'
            or debts.paid_because = 'organization_payments'
        ) as is_open,
        own_versions.currency
    from own_versions
    left join debts on own_versions.debt_id = debts.debt_id
    where own_versions.is_taken_back
),

begun as (
    select * from still_listed
    union all
    select * from changed_in_process
    union all
    select * from own_amount_differs
    union all
    select * from taken_back
)

select * from begun
