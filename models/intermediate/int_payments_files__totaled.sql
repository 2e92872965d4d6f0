-- The number of lines of each payments file, and their sums. Amounts of two currencies are never
-- added: a file with several currencies has no sums here; `payments_file_lines` has its lines.
{{ config(materialized='incremental', unique_key='payments_file_id') }}

with all_lines as (
    select * from {{ ref('payments_file_lines') }}
),

lines as (
    select *
    from all_lines
    {%- if is_incremental() %}
    where load_id = (select max(all_lines.load_id) from all_lines)
    {%- endif %}
),

{%- set amounts = [
    ('autorizado', 'authorized'), ('reversado', 'reversed'), ('en proceso de pago', 'in_process')
] %}

summed as (
    select
        organization_id,
        business_date,
        load_id,
        count(*) as line_count,
        {%- for status, name in amounts %}
        sum(case when status = '{{ status }}' then amount else 0 end) as {{ name }}_amount,
        {%- endfor %}
        case when min(currency) = max(currency) then min(currency) end as currency
    from lines
    group by
        organization_id,
        business_date,
        load_id
),

totaled as (
    select
        concat(
            organization_id, '|', cast(business_date as {{ dbt.type_string() }})
        ) as payments_file_id,
        organization_id,
        business_date,
        load_id,
        line_count,
        {%- for _, name in amounts %}
        case when currency is not null then {{ name }}_amount end as {{ name }}_amount,
        {%- endfor %}
        currency
    from summed
)

select * from totaled
