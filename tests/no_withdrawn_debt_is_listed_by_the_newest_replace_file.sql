-- Assumes R2: the valid rows of an organization's newest applied replace file are in the base,
-- paid or void, never withdrawn. A debt with a hash must be listed, and one without must not:
-- looked for among the debts that the newest load changed, and by counts among all.
-- A row here means that a debt which its organization asks for is not charged: money is lost.
{{ config(meta={'dagster': {'ref': {'name': 'debts'}}}) }}

{%- set is_of_every_row = var('tests_every_row') or should_full_refresh() %}

with debts as (
    select * from {{ ref('debts') }}
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

changed as (
    select * from {{ ref('debts') if is_of_every_row else ref('int_debts__changed') }}
),

hashed as (
    select * from {{ ref('int_debts__hashed') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

ordered as (
    select
        file_id,
        load_id,
        row_number() over (
            partition by organization_id
            order by business_date desc, load_id desc
        ) as newness
    from files
    where
        kind = 'invoices'
        and update_mode = 'replace'
        and status = 'applied'
),

withdrawn as (
    select
        debts.organization_id,
        debts.debt_id
    from invoices
    inner join ordered
        on
            invoices.load_id = ordered.load_id
            and invoices.file_id = ordered.file_id
            and ordered.newness = 1
    inner join debts on invoices.debt_id = debts.debt_id
    where
        invoices.rejection_code is null
        and debts.status = 'withdrawn'
),

taken_otherwise as (
    select
        changed.organization_id,
        changed.debt_id
    from changed
    left join hashed on changed.debt_id = hashed.debt_id
    where
        (hashed.debt_id is not null and changed.file_status <> 'listed')
        or (hashed.debt_id is null and changed.file_status = 'listed')
),

listed as (
    select
        organization_id,
        count(*) as debt_count
    from debts
    where file_status = 'listed'
    group by organization_id
),

counted as (
    select
        organization_id,
        count(*) as debt_count
    from hashed
    group by organization_id
),

miscounted as (
    select coalesce(listed.organization_id, counted.organization_id) as organization_id
    from listed
    full outer join counted on listed.organization_id = counted.organization_id
    where listed.debt_count is distinct from counted.debt_count
)

select
    organization_id,
    debt_id
from withdrawn
union all
select
    organization_id,
    debt_id
from taken_otherwise
union all
select
    organization_id,
    cast(null as {{ dbt.type_string() }}) as debt_id
from miscounted
