-- Assumes that from its creation a customer has exactly one version at any instant, the last one
-- open and as `customers` has it.
-- A row here means that nobody could show which name and mail a customer had when it was written
-- to.
{{ config(meta={'dagster': {'ref': {'name': 'customers_history'}}}) }}

with customers as (
    select * from {{ ref('customers') }}
),

versions as (
    select * from {{ ref('customers_history') }}
),

followed as (
    select
        customer_key,
        name,
        mail,
        mail_status,
        attributes,
        dbt_valid_from,
        dbt_valid_to,
        lead(dbt_valid_from) over (
            partition by customer_key
            order by dbt_valid_from, dbt_valid_to nulls last
        ) as next_valid_from
    from versions
),

broken as (
    select
        customers.customer_key,
        followed.dbt_valid_from,
        followed.dbt_valid_to
    from customers
    left join followed on customers.customer_key = followed.customer_key
    where
        followed.customer_key is null
        or followed.dbt_valid_to is distinct from followed.next_valid_from
        or (
            followed.dbt_valid_to is null
            and (
                followed.name is distinct from customers.name
                or followed.mail is distinct from customers.mail
                or followed.mail_status is distinct from customers.mail_status
                or followed.attributes is distinct from customers.attributes
            )
        )
)

select * from broken
