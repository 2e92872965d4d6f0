with files as (
    select * from {{ ref('stg_intake__files') }}
),

standing as (
    select * from {{ ref('int_intake_files__standing') }}
),

codes as (
    select * from {{ ref('intake_codes') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

files_described as (
    select
        files.file_id,
        files.organization_id,
        files.kind,
        files.file_name,
        files.business_date,
        standing.update_mode,
        loads.loaded_at as seen_at,
        files.received_at,
        standing.verdict as status,
        standing.code,
        coalesce(files.file_message, {{ join_messages('codes', 'further_codes') }}) as message,
        files.record_count,
        standing.accepted_count,
        standing.rejected_count,
        standing.unidentified_count,
        files.currency,
        standing.accepted_amount,
        standing.rejected_amount,
        standing.new_count,
        standing.changed_count,
        standing.unchanged_count,
        standing.withdrawn_count,
        standing.kept_in_process_count,
        standing.judged_at,
        files.sha256,
        files.byte_count,
        files.encoding,
        files.modified_at,
        loads.business_date as loaded_on,
        files.load_id
    from files
    inner join loads on files.load_id = loads.load_id
    inner join standing on files.file_id = standing.file_id
    left join codes on standing.code = codes.code
    left join codes as further_codes on standing.further_code = further_codes.code
)

select * from files_described
