with loads as (
    select * from {{ ref('stg_intake__loads') }}
),

looks as (
    select * from {{ ref('stg_intake__inbox_looks') }}
),

decisions as (
    select * from {{ ref('stg_intake__decisions') }}
),

ranges as (
    select * from {{ ref('stg_events__line_ranges') }}
),

files as (
    select * from {{ ref('intake_files') }}
),

looked as (
    select
        load_id,
        count(*) as inbox_count,
        count(case when outcome <> 'looked' then 1 end) as unread_inbox_count
    from looks
    group by load_id
),

decided as (
    select
        load_id,
        count(*) as decision_count
    from decisions
    group by load_id
),

event_lines as (
    select
        load_id,
        cast(sum(line_count) as bigint) as event_line_count
    from ranges
    group by load_id
),

received as (
    select
        load_id,
        count(*) as file_count,
        count(case when status = 'applied' then 1 end) as applied_file_count,
        count(case when status = 'held' then 1 end) as held_file_count,
        count(case when status = 'refused' then 1 end) as refused_file_count,
        count(case when status in ('superseded', 'duplicate') then 1 end) as idle_file_count
    from files
    group by load_id
),

counted as (
    select
        loads.load_id,
        loads.business_date,
        loads.loaded_at,
        coalesce(looked.inbox_count, 0) as inbox_count,
        coalesce(looked.unread_inbox_count, 0) as unread_inbox_count,
        coalesce(received.file_count, 0) as file_count,
        coalesce(received.applied_file_count, 0) as applied_file_count,
        coalesce(received.held_file_count, 0) as held_file_count,
        coalesce(received.refused_file_count, 0) as refused_file_count,
        coalesce(received.idle_file_count, 0) as idle_file_count,
        coalesce(decided.decision_count, 0) as decision_count,
        coalesce(event_lines.event_line_count, 0) as event_line_count
    from loads
    left join looked on loads.load_id = looked.load_id
    left join received on loads.load_id = received.load_id
    left join decided on loads.load_id = decided.load_id
    left join event_lines on loads.load_id = event_lines.load_id
)

select * from counted
