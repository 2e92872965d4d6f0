-- The debts that the newest load changed: the only rows that the history must read (R10), and whose
-- accounts differ. A table, so the planner knows that it is small and probes the history with it.
-- After a full refresh, the load that changed a debt is unknown (R9), so it is taken from the
-- history.
-- depends_on: {{ ref('stg_base__debts_history') }}
{{ config(materialized='table') }}

with debts as (
    select * from {{ ref('debts') }}
),

current_load as (
    select loaded_at
    from {{ ref('stg_intake__loads') }}
    where is_current
),

{% if should_full_refresh() -%}
open_versions as (
    select *
    from {{ ref('stg_base__debts_history') }}
    where valid_to is null
),
{%- endif %}

changed as (
    select
        debts.organization_id,
        debts.customer_id,
        debts.product_id,
        debts.due_date,
        debts.amount,
        debts.currency,
        debts.status,
        debts.is_in_base,
        debts.kept_because,
        debts.attributes,
        debts.first_file_id,
        debts.version_file_id,
        debts.payment_id,
        debts.paid_because,
        current_load.loaded_at as updated_at,
        debts.debt_id,
        debts.file_status,
        debts.version_line_number
    from debts
    {% if should_full_refresh() -%}
    cross join current_load
    left join open_versions on debts.debt_id = open_versions.debt_id
    where open_versions.debt_id is null or {{ is_another_state('debts', 'open_versions') }}
    {%- else -%}
    inner join current_load on debts.updated_at = current_load.loaded_at
    {%- endif %}
)

select * from changed
