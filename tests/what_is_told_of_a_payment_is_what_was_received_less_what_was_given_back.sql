-- Assumes R23: after each publication of its organization, the lines of a part of a payment sum to
-- what was received of it less what was given back, in every currency.
-- A row here means that an organization booked money twice or too late, or keeps money that its
-- customer has back.
{{ config(meta={'dagster': {'ref': {'name': 'int_money__held'}}}) }}

with held as (
    select * from {{ ref('int_money__held') }}
    where held_amount <> 0
),

publications as (
    select * from {{ ref('int_publications__opened') }}
),

differing as (
    select
        held.organization_id,
        held.payment_id,
        held.debt_id,
        held.currency,
        held.held_amount,
        publications.business_date
    from held
    inner join publications
        on
            held.organization_id = publications.organization_id
            and held.load_id <= publications.load_id
            and (held.next_load_id is null or held.next_load_id > publications.load_id)
)

select * from differing
