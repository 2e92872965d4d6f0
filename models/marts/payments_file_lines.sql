-- The lines of each publication (R23): for each part of a payment, the money that stands and was
-- not published, the money that was published and no longer stands and, for the multi-day flow,
-- the money in process. A published line never changes.
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with publications as (
    select * from {{ ref('int_publications__opened') }}
),

payments as (
    select
        *,
        {{ normal_id('customer_id') }} as customer_order,
        {{ normal_id('product_id') }} as product_order,
        received_amount - reversed_amount as standing_amount
    from {{ ref('payments') }}
),

debts as (
    select * from {{ ref('debts') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

{% if is_incremental() -%}
published as (
    select
        *,
        {{ hash_payment('organization_id', 'payment_id', 'debt_id') }} as payment_key
    from {{ this }}
    where status in ('autorizado', 'reversado')
),

closed as (
    select distinct
        organization_id,
        business_date
    from {{ this }}
),

told_last as (
    select
        payment_key,
        max(case when status = 'autorizado' then load_id end)
        >= max(case when status = 'reversado' then load_id else 0 end) as is_told_authorized,
        sum(amount) = 0 as is_nothing
    from published
    group by payment_key
),
{% endif -%}

open_publications as (
    select publications.*
    from publications
    inner join loads on publications.load_id = loads.load_id
    {%- if is_incremental() %}
    left join closed
        on
            publications.organization_id = closed.organization_id
            and publications.business_date = closed.business_date
    {%- endif %}
    where loads.is_current
    {%- if is_incremental() %}
        and closed.organization_id is null
    {%- endif %}
),

money as (
    select
        payment_key,
        currency,
        standing_amount as amount
    from payments
    {%- if is_incremental() %}
    union all
    select
        payment_key,
        currency,
        -amount as amount
    from published
    {%- endif %}
),

untold as (
    select
        payment_key,
        currency,
        sum(amount) as amount
    from money
    group by
        payment_key,
        currency
),

-- An authorization of zero is published, too: it makes a debt paid.
changed as (
    select
        untold.payment_key,
        untold.currency,
        untold.amount,
        case
            when untold.amount > 0 then 'autorizado'
            when untold.amount < 0 then 'reversado'
            {%- if is_incremental() %}
            when
                payments.status = 'authorized'
                and payments.standing_amount = 0
                and not coalesce(told_last.is_told_authorized, false)
                then 'autorizado'
            when
                payments.status in ('rejected', 'reversed')
                and told_last.is_told_authorized
                and told_last.is_nothing
                then 'reversado'
            {%- else %}
            when payments.status = 'authorized' and payments.standing_amount = 0 then 'autorizado'
            {%- endif %}
        end as status
    from untold
    inner join payments on untold.payment_key = payments.payment_key
    {%- if is_incremental() %}
    left join told_last on untold.payment_key = told_last.payment_key
    {%- endif %}
    where untold.amount <> 0 or untold.currency = payments.currency
),

due as (
    select
        payment_key,
        currency,
        amount,
        status,
        -- without a status, a zero amount given back would look like another authorization of zero
        amount <> 0 or status = 'autorizado' as is_told_instantly
    from changed
    where status is not null
    union all
    select
        payment_key,
        currency,
        amount,
        'en proceso de pago' as status,
        false as is_told_instantly
    from payments
    where
        status = 'in_process'
        and standing_amount = 0
),

numbered as (
    select
        publications.organization_id,
        publications.business_date,
        cast(
            row_number() over (
                partition by publications.organization_id, publications.business_date
                order by
                    payments.occurred_at asc,
                    payments.payment_id asc,
                    payments.due_date asc,
                    payments.product_order asc nulls last,
                    payments.customer_order asc nulls last,
                    due.status desc
            ) as bigint
        ) as line_number,
        -- as the organization first wrote it (R1)
        coalesce(debts.customer_id, payments.customer_id) as customer_id,
        coalesce(debts.product_id, payments.product_id) as product_id,
        payments.due_date,
        payments.channel_label as channel,
        due.status,
        cast(due.amount as {{ var('money_type') }}) as amount,
        due.currency,
        payments.payment_id,
        cast(
            {{ in_time_zone('payments.occurred_at', 'publications.time_zone') }} as date
        ) as paid_on,
        payments.event_id,
        payments.occurred_at,
        payments.debt_id,
        publications.load_id,
        publications.published_at
    from due
    inner join payments on due.payment_key = payments.payment_key
    left join debts on payments.debt_id = debts.debt_id
    inner join open_publications as publications
        on
            payments.organization_id = publications.organization_id
            and (due.is_told_instantly or publications.payment_flow = 'in_process')
)

select * from numbered
