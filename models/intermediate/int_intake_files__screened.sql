-- The files that this load must judge, and the part of the verdict that does not depend on the
-- debts. A table, so that a build counts the rows of the files once.
{{ config(materialized='table') }}

with submitted as (
    select * from {{ ref('int_intake_files__submitted') }}
),

counted as (
    select * from {{ ref('int_intake_files__counted') }}
),

compared as (
    select * from {{ ref('int_intake_files__compared') }}
),

measured as (
    select
        submitted.*,
        coalesce(counted.row_count, 0) as row_count,
        coalesce(counted.rejected_count, 0) as rejected_count,
        coalesce(counted.unidentified_count, 0) as unidentified_count,
        coalesce(counted.accepted_amount, 0) as accepted_amount,
        coalesce(counted.rejected_amount, 0) as rejected_amount,
        compared.is_duplicate,
        compared.has_new_contract,
        compared.is_late,
        compared.is_overtaken,
        compared.is_maybe_truncated
    from submitted
    inner join compared on submitted.file_id = compared.file_id
    left join counted on submitted.file_id = counted.file_id
),

coded as (
    select
        *,
        case
            when decision = 'refused' then 'refused_by_operator'
            when is_duplicate then 'same_bytes_again'
            when file_code is not null then file_code
            when rejected_count > max_rejected_share * row_count then 'too_many_rejected_rows'
            when is_overtaken then 'older_than_applied'
            when has_new_contract and decision is null then 'contract_changed'
            when
                kind = 'invoices'
                and update_mode = 'replace'
                and row_count = 0
                and decision is null
                then 'empty_file'
        end as screen_code
    from measured
),

screened as (
    select
        file_id,
        judging_load_id,
        load_id,
        organization_id,
        kind,
        case when has_new_contract then 'replace' else update_mode end as update_mode,
        business_date,
        is_late,
        decision,
        is_maybe_truncated,
        max_withdrawal_share,
        row_count,
        rejected_count,
        unidentified_count,
        accepted_amount,
        rejected_amount,
        screen_code,
        case screen_code
            when 'same_bytes_again' then 'duplicate'
            when 'older_than_applied' then 'superseded'
            when 'contract_changed' then 'held'
            when 'empty_file' then case when file_code is null then 'held' else 'refused' end
            else case when screen_code is null then 'candidate' else 'refused' end
        end as screening
    from coded
)

select * from screened
