with looks as (
    select * from {{ ref('stg_intake__inbox_looks') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

looked as (
    select
        looks.organization_id,
        looks.load_id,
        loads.business_date,
        looks.outcome,
        looks.detail,
        loads.loaded_at,
        row_number() over (
            partition by looks.organization_id, loads.business_date
            order by looks.load_id desc
        ) as look_rank
    from looks
    inner join loads on looks.load_id = loads.load_id
),

-- A repetition of the same bytes adds nothing to a day, and neither does a file whose date does not
-- exist: it only came that day.
received as (
    select
        *,
        row_number() over (
            partition by organization_id, business_date
            order by
                case
                    when status = 'duplicate' or code = 'invalid_file_date' then 0 else load_id
                end desc,
                file_id asc nulls last
        ) as receipt_rank
    from files
    where kind = 'invoices'
),

days as (
    select
        looked.organization_id,
        looked.business_date,
        case
            when received.file_id is not null then received.status
            when looked.outcome <> 'looked' then 'not_read'
            when looked.detail is not null then 'waiting'
            else 'missing'
        end as status,
        received.file_id,
        received.code,
        received.message,
        looked.outcome = 'looked' as is_inbox_read,
        case when looked.outcome <> 'looked' then looked.outcome end as inbox_code,
        looked.detail as inbox_message,
        received.record_count,
        received.accepted_count,
        received.rejected_count,
        received.currency,
        received.accepted_amount,
        received.rejected_amount,
        received.new_count,
        received.changed_count,
        received.withdrawn_count,
        looked.loaded_at as looked_at,
        looked.load_id
    from looked
    left join received
        on
            looked.organization_id = received.organization_id
            and looked.business_date = received.business_date
            and received.receipt_rank = 1
    where looked.look_rank = 1
)

select * from days
