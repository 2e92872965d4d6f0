-- A customer has the values of the applied workbooks, in the order in which they were loaded. A
-- workbook without a mail keeps the customer's mail. A build recomputes the customers in its load
-- from all their rows ever, so the result does not depend on the order of builds (R9).
{{ config(materialized='incremental', unique_key='customer_key') }}

with customer_rows as (
    select * from {{ ref('int_customers__checked') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

touched as (
    select distinct customer_rows.customer_key
    from customer_rows
    inner join loads on customer_rows.load_id = loads.load_id
    {%- if is_incremental() %}
    where loads.is_current
    {%- endif %}
),

applied as (
    select
        customer_rows.customer_key,
        customer_rows.organization_id,
        customer_rows.customer_id,
        customer_rows.name,
        customer_rows.mail,
        customer_rows.mail_status,
        customer_rows.attributes,
        customer_rows.file_id,
        customer_rows.load_id,
        standing.judged_at
    from customer_rows
    inner join standing
        on
            customer_rows.file_id = standing.file_id
            and standing.verdict = 'applied'
    inner join touched on customer_rows.customer_key = touched.customer_key
    where customer_rows.rejection_code is null
),

mailed as (
    select
        *,
        max(case when mail is not null then load_id end) over (
            partition by customer_key
            order by load_id
            rows between unbounded preceding and current row
        ) as mail_load_id
    from applied
),

stated as (
    select
        mailed.customer_key,
        mailed.organization_id,
        mailed.customer_id,
        mailed.name,
        mails.mail,
        coalesce(mails.mail_status, 'missing') as mail_status,
        mailed.attributes,
        mailed.file_id,
        mailed.load_id,
        mailed.judged_at
    from mailed
    left join applied as mails
        on
            mailed.customer_key = mails.customer_key
            and mailed.mail_load_id = mails.load_id
),

followed as (
    select
        *,
        row_number() over (
            partition by customer_key
            order by load_id
        ) as version_number,
        row_number() over (
            partition by customer_key
            order by load_id desc
        ) as newness,
        lag(name) over (
            partition by customer_key
            order by load_id
        ) as former_name,
        lag(mail) over (
            partition by customer_key
            order by load_id
        ) as former_mail,
        lag(mail_status) over (
            partition by customer_key
            order by load_id
        ) as former_mail_status,
        lag(attributes) over (
            partition by customer_key
            order by load_id
        ) as former_attributes
    from stated
),

changes as (
    select
        customer_key,
        min(judged_at) as created_at,
        max(
            case
                when
                    version_number = 1
                    or name is distinct from former_name
                    or mail is distinct from former_mail
                    or mail_status is distinct from former_mail_status
                    or attributes is distinct from former_attributes
                    then judged_at
            end
        ) as updated_at
    from followed
    group by customer_key
),

customers as (
    select
        newest.organization_id,
        oldest.customer_id,
        newest.name,
        newest.mail,
        newest.mail_status,
        newest.attributes,
        oldest.file_id as first_file_id,
        newest.file_id as last_file_id,
        changes.created_at,
        newest.judged_at as last_uploaded_at,
        changes.updated_at,
        newest.customer_key
    from followed as newest
    inner join followed as oldest
        on
            newest.customer_key = oldest.customer_key
            and oldest.version_number = 1
    inner join changes on newest.customer_key = changes.customer_key
    where newest.newness = 1
)

select * from customers
