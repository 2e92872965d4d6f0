-- Debts, customers and payment methods joined: everyone who owes, is created or has a method. A
-- build derives anew the accounts that can have changed, and deletes those that are no more.
-- depends_on: {{ ref('int_customer_accounts__touched') }}
{{ config(
    materialized='incremental',
    unique_key=['organization_id', 'customer_id'],
    pre_hook="{{ delete_touched_accounts() }}",
) }}

with debts as (
    select
        *,
        {{ normal_id('customer_id') }} as normal_id
    from {{ ref('debts') }}
    where is_in_base
),

organizations as (
    select * from {{ ref('organization_contracts') }}
),

known as (
    select * from {{ ref('int_customers__known') }}
),

{% if is_incremental() -%}
touched as (
    select * from {{ ref('int_customer_accounts__touched') }}
),
{%- endif %}

owed as (
    select
        debts.organization_id,
        debts.normal_id,
        min(debts.customer_id) as customer_id,
        count(case when debts.status = 'pending' then 1 end) as pending_count,
        sum(
            case
                when debts.status = 'pending' and debts.currency = organizations.currency
                    then debts.amount
                else 0
            end
        ) as pending_amount,
        min(case when debts.status = 'pending' then debts.due_date end) as oldest_due_date,
        count(case when debts.status = 'in_process' then 1 end) as in_process_count,
        sum(
            case
                when debts.status = 'in_process' and debts.currency = organizations.currency
                    then debts.amount
                else 0
            end
        ) as in_process_amount,
        count(case when debts.currency <> organizations.currency then 1 end)
            as other_currency_count
    from debts
    inner join organizations on debts.organization_id = organizations.organization_id
    {%- if is_incremental() %}
    inner join touched
        on
            debts.organization_id = touched.organization_id
            and debts.normal_id = touched.normal_id
    {%- endif %}
    group by
        debts.organization_id,
        debts.normal_id
),

known_touched as (
    select known.*
    from known
    {%- if is_incremental() %}
    inner join touched
        on
            known.organization_id = touched.organization_id
            and known.normal_id = touched.normal_id
    {%- endif %}
),

everyone as (
    select
        coalesce(owed.organization_id, known_touched.organization_id) as organization_id,
        coalesce(known_touched.customer_id, owed.customer_id) as customer_id,
        known_touched.name,
        known_touched.mail,
        coalesce(owed.pending_count, 0) as pending_count,
        coalesce(owed.pending_amount, 0) as pending_amount,
        owed.oldest_due_date,
        coalesce(owed.in_process_count, 0) as in_process_count,
        coalesce(owed.in_process_amount, 0) as in_process_amount,
        coalesce(owed.other_currency_count, 0) as other_currency_count,
        coalesce(known_touched.active_method_count, 0) as active_method_count,
        coalesce(known_touched.waiting_method_count, 0) as waiting_method_count,
        coalesce(known_touched.is_created, false) as is_created,
        owed.normal_id is not null as is_owing,
        coalesce(known_touched.is_reachable, false) as is_reachable,
        coalesce(known_touched.is_campaign_contact, false) as is_campaign_contact
    from owed
    full outer join known_touched
        on
            owed.organization_id = known_touched.organization_id
            and owed.normal_id = known_touched.normal_id
),

accounts as (
    select
        everyone.organization_id,
        everyone.customer_id,
        everyone.name,
        everyone.mail,
        organizations.currency,
        everyone.pending_count,
        cast(everyone.pending_amount as {{ var('money_sum_type') }}) as pending_amount,
        everyone.oldest_due_date,
        everyone.in_process_count,
        cast(everyone.in_process_amount as {{ var('money_sum_type') }}) as in_process_amount,
        everyone.other_currency_count,
        everyone.active_method_count,
        everyone.waiting_method_count,
        everyone.is_created,
        everyone.is_owing,
        everyone.active_method_count > 0 as is_enrolled,
        everyone.is_reachable,
        everyone.is_campaign_contact
    from everyone
    inner join organizations on everyone.organization_id = organizations.organization_id
)

select * from accounts
