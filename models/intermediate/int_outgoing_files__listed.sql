-- Every file that belongs in an organization's outbox: its payments file with the manifest (R22),
-- and the answer to each intake file, for the newest receipt of each name (R19). `load_id` is the
-- load that determined its content.
with publications as (
    select * from {{ ref('int_publications__opened') }}
),

answers as (
    select * from {{ ref('int_intake_files__answered') }}
),

loads as (
    select * from {{ ref('stg_intake__loads') }}
),

{%- set kinds = [
    ('payments_file', 1, 'publications', name_payments_file('business_date', 'csv')),
    ('payments_manifest', 2, 'publications', name_payments_file('business_date', 'json')),
    ('intake_result', 3, 'answers', "concat(file_name, '.result.csv')"),
    ('intake_summary', 4, 'answers', "concat(file_name, '.summary.csv')"),
] %}

outgoing as (
    {%- for kind, delivery_order, source, file_name in kinds %}
    select
        organization_id,
        business_date,
        '{{ kind }}' as kind,
        {{ delivery_order }} as delivery_order,
        {{ file_name }} as file_name,
        load_id
    from {{ source }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

listed as (
    select
        outgoing.organization_id,
        outgoing.business_date,
        outgoing.kind,
        outgoing.delivery_order,
        outgoing.file_name,
        outgoing.load_id,
        loads.loaded_at as published_at,
        loads.finished_at is not null as is_finished
    from outgoing
    inner join loads on outgoing.load_id = loads.load_id
)

select * from listed
