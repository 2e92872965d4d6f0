-- Each file that may be applied, now or after an operator's decision, beside the base as the former
-- load left it: debts whose file state changes, and those in process that it does not list. Large
-- relations are imported once per reader: an engine materializes a CTE that two readers share.
{{ config(materialized='table') }}

with candidates as (
    select * from {{ ref('int_intake_files__screened') }}
    where kind = 'invoices' and screening in ('candidate', 'held')
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
    where rejection_code is null
),

valid as (
    select debt_id from {{ ref('int_invoices__checked') }}
    where rejection_code is null
),

named as (
    select debt_id from {{ ref('int_invoices__checked') }}
    where debt_id is not null
),

files as (
    select * from {{ ref('int_intake_files__read') }}
),

unlisted as (
    select * from {{ ref('int_invoices__recognized') }}
    where part = 'debt'
),

base as (
    select * from {{ ref('stg_base__debts') }}
),

listed_since as (
    select * from {{ ref('int_debts__listed_since') }}
),

spared as (
    select * from {{ ref('int_debts__spared') }}
),

listed as (
    select
        invoices.file_id,
        invoices.line_number,
        invoices.organization_id,
        invoices.debt_id,
        invoices.customer_id,
        invoices.product_id,
        invoices.due_date,
        invoices.amount,
        invoices.currency,
        invoices.attributes,
        case
            when invoices.is_paid then 'paid'
            when invoices.is_void then 'void'
            else 'listed'
        end as file_status
    from invoices
    inner join candidates
        on
            invoices.load_id = candidates.load_id
            and invoices.file_id = candidates.file_id
    left join listed_since
        on
            invoices.file_id = listed_since.file_id
            and invoices.debt_id = listed_since.debt_id
    where listed_since.debt_id is null
),

-- Debts that a replace file removes because it does not list them, or keeps because their payment
-- is in process; not those that it lists by the same row (R32). Any other debt matters only if the
-- file refers to it, so old closed debts cost only a lookup of their keys.
candidate_base as (
    select
        base.*,
        candidates.file_id as candidate_file_id,
        candidates.update_mode
    from base
    inner join candidates on base.organization_id = candidates.organization_id
    inner join files on candidates.file_id = files.file_id
    left join unlisted
        on
            candidates.file_id = unlisted.file_id
            and base.debt_id = unlisted.debt_id
    where
        base.debt_id in (select valid.debt_id from valid)
        or (
            (
                candidates.update_mode = 'replace'
                and (base.file_status in ('listed', 'rejected_row') or base.status = 'in_process')
                or base.debt_id in (select named.debt_id from named)
            )
            and not (
                files.is_recognized
                and candidates.update_mode = 'replace'
                and base.file_status = 'listed'
                and unlisted.debt_id is null
            )
        )
),

paired as (
    select
        coalesce(listed.file_id, candidate_base.candidate_file_id) as file_id,
        coalesce(listed.debt_id, candidate_base.debt_id) as debt_id,
        coalesce(listed.organization_id, candidate_base.organization_id) as organization_id,
        -- spelled as in the row that made the debt known
        coalesce(candidate_base.customer_id, listed.customer_id) as customer_id,
        coalesce(candidate_base.product_id, listed.product_id) as product_id,
        coalesce(listed.due_date, candidate_base.due_date) as due_date,
        coalesce(listed.amount, candidate_base.amount) as amount,
        coalesce(listed.currency, candidate_base.currency) as currency,
        case
            when listed.debt_id is not null then listed.attributes
            else candidate_base.attributes
        end as attributes,
        candidate_base.first_file_id,
        candidate_base.version_file_id,
        candidate_base.version_line_number,
        listed.line_number,
        candidate_base.update_mode,
        candidate_base.status as former_status,
        candidate_base.amount as former_amount,
        candidate_base.currency as former_currency,
        candidate_base.file_status as former_file_status,
        listed.file_status as listed_file_status,
        listed.debt_id is not null as is_listed,
        candidate_base.debt_id is not null as is_known,
        listed.debt_id is not null
        and candidate_base.debt_id is not null
        and (
            listed.amount is distinct from candidate_base.amount
            or listed.currency is distinct from candidate_base.currency
            or listed.attributes is distinct from candidate_base.attributes
        ) as has_other_values
    from listed
    full outer join candidate_base
        on
            listed.debt_id = candidate_base.debt_id
            and listed.file_id = candidate_base.candidate_file_id
),

stated as (
    select
        paired.*,
        case
            when paired.is_listed then paired.listed_file_status
            when
                paired.update_mode = 'upsert' or paired.former_file_status in ('paid', 'void')
                then paired.former_file_status
            when spared.debt_id is not null then 'rejected_row'
            else 'absent'
        end as file_status
    from paired
    left join spared
        on paired.debt_id = spared.debt_id and paired.file_id = spared.file_id
),

changed as (
    select
        file_id,
        debt_id,
        organization_id,
        customer_id,
        product_id,
        due_date,
        amount,
        currency,
        attributes,
        file_status,
        coalesce(first_file_id, file_id) as first_file_id,
        case when is_listed then file_id else version_file_id end as version_file_id,
        case when is_listed then line_number else version_line_number end as version_line_number,
        former_status,
        case when former_currency = currency then former_amount end as former_amount,
        is_listed,
        case
            when not is_known then 'new'
            when is_listed then 'changed'
            when former_status = 'in_process' then 'kept_in_process'
            when file_status = 'rejected_row' then 'kept_rejected_row'
            when former_status = 'pending' then 'withdrawn'
            else 'closed'
        end as change
    from stated
    where
        not is_known
        or has_other_values
        or file_status is distinct from former_file_status
        or (former_status = 'in_process' and not is_listed and update_mode = 'replace')
)

select * from changed
