-- The hash of the row that each listed debt last came by (R32). A debt that is not listed any more
-- has none, so its next row is read. After `debts`: a build that is broken off in between compares
-- the same file with the former hashes again, and comes to the same.
-- depends_on: {{ ref('debts') }}, {{ ref('int_invoices__checked') }}
-- depends_on: {{ ref('int_invoices__recognized') }}, {{ ref('int_intake_files__read') }}
-- depends_on: {{ ref('int_intake_files__judged') }}, {{ ref('int_debts__listed_since') }}
-- depends_on: {{ ref('stg_hashes__debts') }}, {{ ref('stg_intake__loads') }}
{{ config(
    materialized='incremental',
    unique_key='debt_id',
    post_hook='delete from {{ this }} where row_hash is null',
) }}
{{ require_all_rows_in_a_full_refresh() }}

{% if is_incremental() -%}
with files as (
    select * from {{ ref('int_intake_files__read') }}
    where is_judged
),

judged as (
    select * from {{ ref('int_intake_files__judged') }}
    where verdict = 'applied'
),

current_load as (
    select load_id
    from {{ ref('stg_intake__loads') }}
    where is_current
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
    where rejection_code is null
),

listed_since as (
    select * from {{ ref('int_debts__listed_since') }}
),

unlisted as (
    select * from {{ ref('int_invoices__recognized') }}
    where part = 'debt'
),

hashed as (
    select * from {{ ref('stg_hashes__debts') }}
),

applied as (
    select
        files.file_id,
        files.organization_id,
        files.update_mode,
        files.is_recognized
    from files
    inner join judged on files.file_id = judged.file_id
    inner join current_load on judged.load_id = current_load.load_id
),

stated as (
    select
        invoices.debt_id,
        invoices.organization_id,
        case when not invoices.is_paid and not invoices.is_void then invoices.row_hash end
            as row_hash,
        invoices.amount
    from invoices
    inner join applied on invoices.file_id = applied.file_id
    left join listed_since
        on
            invoices.file_id = listed_since.file_id
            and invoices.debt_id = listed_since.debt_id
    where listed_since.debt_id is null
),

left_out as (
    select unlisted.debt_id
    from unlisted
    inner join applied on unlisted.file_id = applied.file_id
    where unlisted.debt_id is not null
    union all
    select hashed.debt_id
    from hashed
    inner join applied on hashed.organization_id = applied.organization_id
    where
        applied.update_mode = 'replace'
        and not applied.is_recognized
),

moved as (
    select * from stated
    union all
    select
        left_out.debt_id,
        cast(null as {{ dbt.type_string() }}) as organization_id,
        cast(null as {{ row_hash_type() }}) as row_hash,
        cast(null as {{ var('money_type') }}) as amount
    from left_out
    left join stated on left_out.debt_id = stated.debt_id
    where stated.debt_id is null
)

select * from moved
{%- else -%}
with debts as (
    select * from {{ ref('debts') }}
    where file_status = 'listed'
),

invoices as (
    select * from {{ ref('int_invoices__checked') }}
),

hashed as (
    select
        debts.debt_id,
        debts.organization_id,
        invoices.row_hash,
        debts.amount
    from debts
    inner join invoices
        on
            debts.version_file_id = invoices.file_id
            and debts.version_line_number = invoices.line_number
)

select * from hashed
{%- endif %}
