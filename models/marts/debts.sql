-- The state of a debt by its files and its payments, joined by R7. The model returns only the
-- debts whose state differs from the stored one; the write then simply replaces those rows.
-- depends_on: {{ ref('int_debts__compared') }}, {{ ref('int_intake_files__judged') }}
-- depends_on: {{ ref('int_debts__listed') }}, {{ ref('stg_intake__loads') }}
-- What is kept of the comparison is written before the base changes, after which it finds nothing.
-- depends_on: {{ ref('int_intake_files__differing') }}, {{ ref('int_withdrawals__held') }}
{{ config(
    materialized='incremental',
    unique_key='debt_id',
    post_hook=['{{ create_normal_id_function() }}', '{{ create_valid_rut_function() }}'],
) }}
{{ require_all_rows_in_a_full_refresh() }}

{#- What files say of a debt. #}
{%- set stated = [
    'debt_id', 'organization_id', 'customer_id', 'product_id', 'due_date', 'amount', 'currency',
    'attributes', 'file_status', 'first_file_id', 'version_file_id', 'version_line_number',
] %}

with payments as (
    select * from {{ ref('payments') }}
),

organization_payments as (
    select * from {{ ref('int_organization_payments__counted') }}
),

{% if is_incremental() -%}
loads as (
    select * from {{ ref('stg_intake__loads') }}
),

compared as (
    select * from {{ ref('int_debts__compared') }}
),

judged as (
    select * from {{ ref('int_intake_files__judged') }}
),

current_load as (
    select
        load_id,
        loaded_at
    from loads
    where is_current
),

file_changes as (
    select compared.*
    from compared
    inner join judged on compared.file_id = judged.file_id
    inner join current_load on judged.load_id = current_load.load_id
    where judged.verdict = 'applied'
),

changed_payments as (
    select payments.debt_id
    from payments
    inner join current_load on payments.load_id = current_load.load_id
),

touched as (
    select debt_id from file_changes
    union distinct
    select debt_id from changed_payments
    union distinct
    select organization_payments.debt_id
    from organization_payments
    inner join current_load on organization_payments.newest_load_id = current_load.load_id
),

file_states as (
    select
        {%- for column in stated %}
        file_changes.{{ column }},
        {%- endfor %}
        current_load.loaded_at as changed_at
    from file_changes
    cross join current_load
    union all
    select
        {%- for column in stated %}
        held_debts.{{ column }},
        {%- endfor %}
        current_load.loaded_at as changed_at
    from {{ this }} as held_debts
    cross join current_load
    inner join touched on held_debts.debt_id = touched.debt_id
    left join file_changes on held_debts.debt_id = file_changes.debt_id
    where file_changes.debt_id is null
),
{%- else -%}
listed as (
    select * from {{ ref('int_debts__listed') }}
),

file_states as (
    select
        {%- for column in stated %}
        {{ column }},
        {%- endfor %}
        file_changed_at as changed_at
    from listed
),
{%- endif %}

-- The payment that pays the debt, else the one that holds it.
ranked_payments as (
    select
        payments.debt_id,
        payments.payment_id,
        payments.status,
        payments.updated_at,
        row_number() over (
            partition by payments.debt_id
            order by
                case payments.status when 'authorized' then 1 else 2 end,
                payments.occurred_at,
                payments.payment_id
        ) as payment_rank
    from payments
    {{ 'inner join touched on payments.debt_id = touched.debt_id' if is_incremental() }}
    where payments.status in ('authorized', 'in_process')
),

called_paid as (
    select distinct debt_id
    from organization_payments
    where is_counted
),

-- R7: paid > in_process > void > pending > withdrawn.
settled as (
    select
        file_states.*,
        ranked_payments.payment_id,
        ranked_payments.updated_at as payment_updated_at,
        case
            when
                ranked_payments.status = 'authorized'
                or called_paid.debt_id is not null
                or file_states.file_status = 'paid'
                then 'paid'
            when ranked_payments.status = 'in_process' then 'in_process'
            when file_states.file_status = 'void' then 'void'
            when file_states.file_status in ('listed', 'rejected_row') then 'pending'
            else 'withdrawn'
        end as status,
        case
            when ranked_payments.status = 'authorized' then 'payment'
            when called_paid.debt_id is not null then 'organization_payments'
            when file_states.file_status = 'paid' then 'debts_file'
        end as paid_because
    from file_states
    left join ranked_payments
        on
            file_states.debt_id = ranked_payments.debt_id
            and ranked_payments.payment_rank = 1
    left join called_paid on file_states.debt_id = called_paid.debt_id
),

explained as (
    select
        organization_id,
        customer_id,
        product_id,
        due_date,
        amount,
        currency,
        status,
        status in ('pending', 'in_process') as is_in_base,
        case
            when status = 'in_process' and file_status <> 'listed' then 'in_process'
            when status = 'pending' and file_status = 'rejected_row' then 'rejected_row'
        end as kept_because,
        attributes,
        first_file_id,
        version_file_id,
        payment_id,
        paid_because,
        greatest(changed_at, coalesce(payment_updated_at, changed_at)) as updated_at,
        debt_id,
        file_status,
        version_line_number
    from settled
),

changed as (
    select explained.*
    from explained
    {%- if is_incremental() %}
    left join {{ this }} as held_debts on explained.debt_id = held_debts.debt_id
    where
        held_debts.debt_id is null
        or {{ is_another_state('explained', 'held_debts') }}
    {%- endif %}
)

select * from changed
