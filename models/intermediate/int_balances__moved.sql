-- The movements of each organization's base and money: a row for each date since its first one,
-- even without a movement. Movements of the base are derived from consecutive versions of a debt.
{{ config(materialized='incremental', unique_key='balance_id') }}

{%- set movements = ['new', 'returned', 'paid', 'withdrawn', 'void', 'changed', 'base'] %}

with history as (
    select * from {{ ref('debts_history') }}
),

ended as (
    select * from {{ ref('debts_history') }}
    where dbt_valid_to is not null
),

money as (
    select * from {{ ref('int_money__moved') }}
),

all_loads as (
    select
        load_id,
        loaded_at,
        -- a run for a past date changes today's base: it counts for the newest date that has begun
        max(business_date) over (
            order by load_id
            rows between unbounded preceding and current row
        ) as business_date
    from {{ ref('stg_intake__loads') }}
),

loads as (
    select *
    from all_loads
    {%- if is_incremental() %}
    where business_date = (select max(business_date) from all_loads)
    {%- endif %}
),

debt_changes as (
    select
        loads.business_date,
        latter.organization_id,
        latter.currency,
        latter.amount,
        latter.status,
        latter.is_in_base,
        former.debt_id is null as is_first,
        former.currency as former_currency,
        former.amount as former_amount,
        coalesce(former.is_in_base, false) as was_in_base,
        latter.is_in_base
        and coalesce(former.is_in_base, false)
        and latter.currency = former.currency as is_kept
    from history as latter
    inner join loads on latter.dbt_valid_from = loads.loaded_at
    left join ended as former
        on
            latter.debt_id = former.debt_id
            and latter.dbt_valid_from = former.dbt_valid_to
),

moves as (
    select
        organization_id,
        business_date,
        currency,
        case when is_first then 'new' else 'returned' end as movement,
        1 as debt_count,
        amount
    from debt_changes
    where is_first or (is_in_base and not is_kept)
    union all
    select
        organization_id,
        business_date,
        case when is_first then currency else former_currency end as currency,
        case when is_in_base then 'withdrawn' else status end as movement,
        1 as debt_count,
        case when is_first then amount else former_amount end as amount
    from debt_changes
    where (is_first and not is_in_base) or (was_in_base and not is_kept)
    union all
    select
        organization_id,
        business_date,
        currency,
        'changed' as movement,
        case when amount <> former_amount then 1 else 0 end as debt_count,
        amount - former_amount as amount
    from debt_changes
    where is_kept
    union all
    select
        organization_id,
        business_date,
        currency,
        'base' as movement,
        1 as debt_count,
        amount
    from debt_changes
    where is_in_base
    union all
    select
        organization_id,
        business_date,
        former_currency as currency,
        'base' as movement,
        -1 as debt_count,
        -former_amount as amount
    from debt_changes
    where was_in_base
    union all
    select
        money.organization_id,
        loads.business_date,
        money.currency,
        money.movement,
        0 as debt_count,
        money.amount
    from money
    inner join loads on money.load_id = loads.load_id
    {%- if is_incremental() %}
    union all
    -- to keep a row for an organization and currency that existed before
    select
        organization_id,
        business_date,
        currency,
        'known' as movement,
        0 as debt_count,
        0 as amount
    from {{ this }}
    where business_date < (select max(all_loads.business_date) from all_loads)
    {%- endif %}
),

first_dates as (
    select
        organization_id,
        currency,
        min(business_date) as business_date
    from moves
    group by
        organization_id,
        currency
),

dates as (
    select distinct business_date
    from loads
),

days as (
    select
        first_dates.organization_id,
        first_dates.currency,
        dates.business_date
    from first_dates
    inner join dates
        on first_dates.business_date <= dates.business_date
),

moved as (
    select
        md5(
            concat(
                days.organization_id,
                '|',
                days.currency,
                '|',
                cast(days.business_date as {{ dbt.type_string() }})
            )
        ) as balance_id,
        days.organization_id,
        days.business_date,
        days.currency,
        {%- for movement in movements %}
        sum(case when moves.movement = '{{ movement }}' then moves.debt_count else 0 end)
            as {{ movement }}_count,
        sum(case when moves.movement = '{{ movement }}' then moves.amount else 0 end)
            as {{ movement }}_amount,
        {%- endfor %}
        sum(case when moves.movement = 'received' then moves.amount else 0 end) as received_amount,
        sum(case when moves.movement = 'published' then moves.amount else 0 end)
            as published_amount
    from days
    left join moves
        on
            days.organization_id = moves.organization_id
            and days.business_date = moves.business_date
            and days.currency = moves.currency
    group by
        days.organization_id,
        days.business_date,
        days.currency
)

select * from moved
