-- The files for which an organization gets an answer (R19): for each name the file received last,
-- with its current verdict and the contract's file form.
with files as (
    select * from {{ ref('stg_intake__files') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

organizations as (
    select * from {{ ref('stg_contracts__organizations') }}
),

codes as (
    select * from {{ ref('intake_codes') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by organization_id, file_name
            order by load_id desc
        ) as receipt_rank
    from files
),

answered as (
    select
        ranked.organization_id,
        ranked.business_date,
        ranked.file_name,
        ranked.file_id,
        ranked.kind,
        ranked.sha256,
        ranked.currency,
        ranked.received_at,
        ranked.record_count,
        standing.load_id,
        standing.verdict,
        standing.code,
        coalesce(ranked.file_message, {{ join_messages('codes', 'further_codes') }}) as message,
        standing.accepted_count,
        standing.rejected_count,
        standing.accepted_amount,
        standing.rejected_amount,
        standing.new_count,
        standing.changed_count,
        standing.unchanged_count,
        standing.withdrawn_count,
        standing.kept_in_process_count,
        organizations.time_zone,
        organizations.decimal_separator,
        case when organizations.delimiter = 'tab' then chr(9) else organizations.delimiter end
            as delimiter
    from ranked
    inner join standing on ranked.file_id = standing.file_id
    inner join organizations on ranked.organization_id = organizations.organization_id
    left join codes on standing.code = codes.code
    left join codes as further_codes on standing.further_code = further_codes.code
    where ranked.receipt_rank = 1
)

select * from answered
