-- Whose account can have changed: who has a debt that the newest load changed, of whom workbooks
-- and methods say something else than the account, and everyone of an organization whose contract
-- is new, gone or in another currency. Empty where every account is derived.
{{ config(materialized='table') }}

{#- What is said of an account, and what of one whose customer nobody created or enrolled. #}
{%- set said = {
    'name': 'null', 'mail': 'null', 'active_method_count': 0, 'waiting_method_count': 0,
    'is_created': false, 'is_reachable': false, 'is_campaign_contact': false,
} %}

with changed_debts as (
    select * from {{ ref('int_debts__changed') }}
),

debts as (
    select * from {{ ref('debts') }}
    where is_in_base
),

known as (
    select * from {{ ref('int_customers__known') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

former as (
    select * from {{ ref('stg_base__customer_accounts') }}
),

former_contracts as (
    select distinct
        organization_id,
        currency
    from {{ ref('stg_base__customer_accounts') }}
),

changed_organizations as (
    select
        coalesce(organizations.organization_id, former_contracts.organization_id)
            as organization_id
    from organizations
    full outer join former_contracts
        on organizations.organization_id = former_contracts.organization_id
    where organizations.currency is distinct from former_contracts.currency
),

said_anew as (
    select
        coalesce(known.organization_id, former.organization_id) as organization_id,
        coalesce(known.normal_id, former.normal_id) as normal_id
    from known
    full outer join former
        on
            known.organization_id = former.organization_id
            and known.normal_id = former.normal_id
    where
        former.normal_id is null
        or (known.normal_id is null and not former.is_owing)
        or known.customer_id <> former.customer_id
        {%- for column, absent in said.items() %}
        or nullif(known.{{ column }}, {{ absent }})
        is distinct from nullif(former.{{ column }}, {{ absent }})
        {%- endfor %}
),

of_changed_organizations as (
    select
        accounts.organization_id,
        accounts.normal_id
    from {{ ref('stg_base__customer_accounts') }} as accounts
    inner join changed_organizations
        on accounts.organization_id = changed_organizations.organization_id
    union distinct
    select
        debts.organization_id,
        {{ normal_id('debts.customer_id') }} as normal_id
    from debts
    inner join changed_organizations
        on debts.organization_id = changed_organizations.organization_id
),

touched as (
    select
        organization_id,
        {{ normal_id('customer_id') }} as normal_id
    from changed_debts
    union distinct
    select
        organization_id,
        normal_id
    from said_anew
    union distinct
    select
        organization_id,
        normal_id
    from of_changed_organizations
)

select
    touched.organization_id,
    touched.normal_id,
    former_accounts.customer_id as former_customer_id
from touched
left join {{ ref('stg_base__customer_accounts') }} as former_accounts
    on
        touched.organization_id = former_accounts.organization_id
        and touched.normal_id = former_accounts.normal_id
{%- if derives_every_account() %}
where 1 = 0
{%- endif %}
