-- How each organization's base and money moved in a day. What moved is told from one version of a
-- debt to the next; the closing is what the versions that began and ended leave, whatever the
-- movements are called. So the two can differ, and a test says when they do.
{{ config(materialized='incremental', unique_key='balance_id') }}

{%- set movements = ['new', 'returned', 'paid', 'withdrawn', 'void', 'changed'] %}

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
        -- a run for a past date moves the base of today: it counts to the newest date begun
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

{% if is_incremental() -%}
former as (
    select *
    from {{ this }}
    where
        business_date = (
            select max(held.business_date)
            from {{ this }} as held
            where held.business_date < (select max(business_date) from all_loads)
        )
),
{% endif -%}

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

debt_movements as (
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
),

money_movements as (
    select
        money.organization_id,
        loads.business_date,
        money.currency,
        money.movement,
        0 as debt_count,
        money.amount
    from money
    inner join loads on money.load_id = loads.load_id
),

all_movements as (
    select * from debt_movements
    union all
    select * from money_movements
),

moved as (
    select
        organization_id,
        business_date,
        currency,
        {%- for movement in movements %}
        cast(sum(case when movement = '{{ movement }}' then debt_count else 0 end) as bigint)
            as {{ movement }}_count,
        sum(case when movement = '{{ movement }}' then amount else 0 end)
            as {{ movement }}_amount,
        {%- endfor %}
        sum(case when movement = 'base' then debt_count else 0 end) as base_count,
        sum(case when movement = 'base' then amount else 0 end) as base_amount,
        sum(case when movement = 'received' then amount else 0 end) as received_amount,
        sum(case when movement = 'published' then amount else 0 end) as published_amount
    from all_movements
    group by
        organization_id,
        business_date,
        currency
),

-- Every date from an organization's first on, whether it moved or not.
first_dates as (
    {%- if is_incremental() %}
    select
        organization_id,
        currency,
        business_date
    from former
    union distinct
    select
        moved.organization_id,
        moved.currency,
        moved.business_date
    from moved
    left join former
        on
            moved.organization_id = former.organization_id
            and moved.currency = former.currency
    where former.organization_id is null
    {%- else %}
    select
        organization_id,
        currency,
        min(business_date) as business_date
    from moved
    group by
        organization_id,
        currency
    {%- endif %}
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

filled as (
    select
        days.organization_id,
        days.business_date,
        days.currency,
        {%- for movement in movements %}
        coalesce(moved.{{ movement }}_count, 0) as {{ movement }}_count,
        coalesce(moved.{{ movement }}_amount, 0) as {{ movement }}_amount,
        {%- endfor %}
        coalesce(moved.base_count, 0) as base_count,
        coalesce(moved.base_amount, 0) as base_amount,
        coalesce(moved.received_amount, 0) as received_amount,
        coalesce(moved.published_amount, 0) as published_amount,
        {%- if is_incremental() %}
        coalesce(former.closing_count, 0) as carried_count,
        coalesce(former.closing_amount, 0) as carried_amount,
        coalesce(former.closing_held_amount, 0) as carried_held_amount
        {%- else %}
        0 as carried_count,
        0 as carried_amount,
        0 as carried_held_amount
        {%- endif %}
    from days
    left join moved
        on
            days.organization_id = moved.organization_id
            and days.business_date = moved.business_date
            and days.currency = moved.currency
    {%- if is_incremental() %}
    left join former
        on
            days.organization_id = former.organization_id
            and days.currency = former.currency
    {%- endif %}
),

closed as (
    select
        *,
        carried_count + sum(base_count) over day_order as closing_count,
        carried_amount + sum(base_amount) over day_order as closing_amount,
        carried_held_amount + sum(received_amount - published_amount) over day_order
            as closing_held_amount
    from filled
    window day_order as (
        partition by organization_id, currency
        order by business_date
        rows between unbounded preceding and current row
    )
),

balanced as (
    select
        md5(
            concat(
                organization_id,
                '|',
                currency,
                '|',
                cast(business_date as {{ dbt.type_string() }})
            )
        ) as balance_id,
        organization_id,
        business_date,
        currency,
        cast(closing_count - base_count as bigint) as opening_count,
        {%- for movement in movements %}
        {{ movement }}_count,
        {%- endfor %}
        cast(closing_count as bigint) as closing_count,
        cast(closing_amount - base_amount as decimal(38, 2)) as opening_amount,
        {%- for movement in movements %}
        cast({{ movement }}_amount as decimal(38, 2)) as {{ movement }}_amount,
        {%- endfor %}
        cast(closing_amount as decimal(38, 2)) as closing_amount,
        cast(closing_held_amount - received_amount + published_amount as decimal(38, 2))
            as opening_held_amount,
        cast(received_amount as decimal(38, 2)) as received_amount,
        cast(published_amount as decimal(38, 2)) as published_amount,
        cast(closing_held_amount as decimal(38, 2)) as closing_held_amount
    from closed
)

select * from balanced
