-- The movements of each organization's base and money by day. Those of the base are derived from
-- consecutive versions of a debt. Its closing balance is derived from the versions that began and
-- ended, whatever the movements are. So the two can differ: the differences are columns, and a
-- test reports one that is not zero. The money that is held is a running total, which a test
-- compares with the open exceptions.
{{ config(materialized='incremental', unique_key='balance_id') }}

{%- set movements = ['new', 'returned', 'paid', 'withdrawn', 'void', 'changed'] %}

with all_moved as (
    select * from {{ ref('int_balances__moved') }}
),

moved as (
    select *
    from all_moved
    {%- if is_incremental() %}
    where business_date = (select max(all_moved.business_date) from all_moved)
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
            where held.business_date < (select max(all_moved.business_date) from all_moved)
        )
),
{% endif -%}

carried as (
    select
        moved.*,
        {%- if is_incremental() %}
        coalesce(former.closing_count, 0) as carried_count,
        coalesce(former.closing_amount, 0) as carried_amount,
        coalesce(former.closing_held_amount, 0) as carried_held_amount
        {%- else %}
        0 as carried_count,
        0 as carried_amount,
        0 as carried_held_amount
        {%- endif %}
    from moved
    {%- if is_incremental() %}
    left join former
        on
            moved.organization_id = former.organization_id
            and moved.currency = former.currency
    {%- endif %}
),

closed as (
    select
        *,
        carried_count + sum(base_count) over day_order as closing_count,
        carried_amount + sum(base_amount) over day_order as closing_amount,
        carried_held_amount + sum(received_amount - published_amount) over day_order
            as closing_held_amount
    from carried
    window day_order as (
        partition by organization_id, currency
        order by business_date
        rows between unbounded preceding and current row
    )
),

balanced as (
    select
        balance_id,
        organization_id,
        business_date,
        currency,
        cast(closing_count - base_count as bigint) as opening_count,
        {%- for movement in movements %}
        cast({{ movement }}_count as bigint) as {{ movement }}_count,
        {%- endfor %}
        cast(closing_count as bigint) as closing_count,
        cast(closing_amount - base_amount as {{ var('money_sum_type') }}) as opening_amount,
        {%- for movement in movements %}
        cast({{ movement }}_amount as {{ var('money_sum_type') }}) as {{ movement }}_amount,
        {%- endfor %}
        cast(closing_amount as {{ var('money_sum_type') }}) as closing_amount,
        cast(
            closing_held_amount - received_amount + published_amount
            as {{ var('money_sum_type') }}
        ) as opening_held_amount,
        cast(received_amount as {{ var('money_sum_type') }}) as received_amount,
        cast(published_amount as {{ var('money_sum_type') }}) as published_amount,
        cast(closing_held_amount as {{ var('money_sum_type') }}) as closing_held_amount
    from closed
),

compared as (
    select
        *,
        opening_count + new_count + returned_count
        - paid_count - withdrawn_count - void_count
        - closing_count as base_count_difference,
        cast(
            opening_amount + new_amount + returned_amount + changed_amount
            - paid_amount - withdrawn_amount - void_amount
            - closing_amount
            as {{ var('money_sum_type') }}
        ) as base_amount_difference
    from balanced
)

select * from compared
