-- What each file changes in the base, in debts and in money, as it was compared with it. Written
-- once, with the file's verdict.
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with judged as (
    select * from {{ ref('int_intake_files__judged') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
    where is_current
),

files as (
    select * from {{ ref('stg_intake__files') }}
    where kind = 'invoices'
),

compared as (
    select * from {{ ref('int_debts__compared') }}
    -- a debt that is in no base before or after
    where change <> 'closed'
),

weighed as (
    select
        judged.file_id,
        judged.load_id,
        judged.unchanged_count,
        judged.accepted_amount,
        files.currency
    from judged
    inner join loads on judged.load_id = loads.load_id
    inner join files on judged.file_id = files.file_id
    where judged.verdict in ('applied', 'held')
),

changes as (
    select
        weighed.file_id,
        weighed.load_id,
        compared.change,
        compared.currency,
        count(*) as debt_count,
        sum(coalesce(compared.former_amount, 0)) as former_amount,
        sum(case when compared.is_listed then compared.amount else 0 end) as listed_amount
    from compared
    inner join weighed on compared.file_id = weighed.file_id
    group by
        weighed.file_id,
        weighed.load_id,
        compared.change,
        compared.currency
),

listed as (
    select
        file_id,
        sum(listed_amount) as listed_amount
    from changes
    group by file_id
),

unchanged as (
    select
        weighed.file_id,
        weighed.load_id,
        'unchanged' as change,
        weighed.currency,
        weighed.unchanged_count as debt_count,
        weighed.accepted_amount - coalesce(listed.listed_amount, 0) as former_amount,
        weighed.accepted_amount - coalesce(listed.listed_amount, 0) as listed_amount
    from weighed
    left join listed on weighed.file_id = listed.file_id
    where weighed.unchanged_count > 0
),

united as (
    select * from changes
    union all
    select * from unchanged
),

differing as (
    select
        file_id,
        load_id,
        change,
        currency,
        debt_count,
        cast(former_amount as {{ var('money_sum_type') }}) as former_amount,
        cast(listed_amount as {{ var('money_sum_type') }}) as listed_amount
    from united
    {{ only_new_verdicts('united', 'load_id') }}
)

select * from differing
