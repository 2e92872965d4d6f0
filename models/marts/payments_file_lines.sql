-- What each publication says (R23): money authorised and not yet said, money taken back that was
-- said, and, for the multi-day flow, what is in process. A line once published stays.
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with publications as (
    select * from {{ ref('int_publications__opened') }}
),

payments as (
    select * from {{ ref('payments') }}
),

debts as (
    select * from {{ ref('debts') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

{% if is_incremental() -%}
published as (
    select * from {{ this }}
),

said as (
    select
        organization_id,
        payment_id,
        sum(case status when 'autorizado' then 1 when 'reversado' then -1 else 0 end)
            as authorized_count,
        sum(case when status in ('autorizado', 'reversado') then amount else 0 end)
            as authorized_amount
    from published
    group by organization_id, payment_id
),

closed as (
    select distinct
        organization_id,
        business_date
    from published
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

due as (
    select
        open_publications.organization_id,
        open_publications.business_date,
        open_publications.load_id,
        open_publications.published_at,
        open_publications.payment_flow,
        open_publications.time_zone,
        payments.payment_id,
        payments.debt_id,
        -- as the organization wrote it first (R1)
        coalesce(debts.customer_id, payments.customer_id) as customer_id,
        coalesce(debts.product_id, payments.product_id) as product_id,
        payments.due_date,
        payments.channel_label,
        payments.status as payment_status,
        payments.amount,
        payments.currency,
        payments.occurred_at,
        payments.event_id,
        {% if is_incremental() -%}
        coalesce(said.authorized_count, 0) as authorized_count,
        said.authorized_amount
        {%- else -%}
        0 as authorized_count,
        payments.amount as authorized_amount
        {%- endif %}
    from open_publications
    inner join payments on open_publications.organization_id = payments.organization_id
    left join debts on payments.debt_id = debts.debt_id
    {%- if is_incremental() %}
    left join said
        on
            payments.organization_id = said.organization_id
            and payments.payment_id = said.payment_id
    {%- endif %}
),

stated as (
    select
        *,
        case
            when payment_status = 'authorized' and authorized_count = 0 then 'autorizado'
            when payment_status in ('reversed', 'rejected') and authorized_count > 0
                then 'reversado'
            when
                payment_status = 'in_process'
                and payment_flow = 'in_process'
                and authorized_count = 0
                then 'en proceso de pago'
        end as status
    from due
),

numbered as (
    select
        organization_id,
        business_date,
        row_number() over (
            partition by organization_id, business_date
            order by occurred_at, payment_id
        ) as line_number,
        customer_id,
        product_id,
        due_date,
        channel_label as channel,
        status,
        -- what was told is taken back, whatever amount the reversal names
        cast(
            case when status = 'reversado' then -authorized_amount else amount end
            as decimal(18, 2)
        ) as amount,
        currency,
        payment_id,
        cast({{ in_time_zone('occurred_at', 'time_zone') }} as date) as paid_on,
        event_id,
        occurred_at,
        debt_id,
        load_id,
        published_at
    from stated
    where status is not null
)

select * from numbered
