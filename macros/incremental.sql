{#
    A filter of stg_intake__loads: in an incremental build the load that the build carries through,
    unless the model has its rows already; in a full refresh every load.
#}
{% macro only_new_loads() -%}
    {%- if is_incremental() -%}
    where is_current and load_id > (select coalesce(max(load_id), 0) from {{ this }})
    {%- endif -%}
{%- endmacro %}

{#
    A filter of a model that keeps what the verdict on a file was: in an incremental build of the
    verdicts that the model does not have already.

    verdicts: with file_id. load_id: their column that has the load that gave the verdict.
#}
{% macro only_new_verdicts(verdicts, load_id) -%}
    {%- if is_incremental() -%}
    where
        not exists (
            select 1
            from {{ this }} as former
            where
                former.file_id = {{ verdicts }}.file_id
                and former.load_id = {{ verdicts }}.{{ load_id }}
        )
    {%- endif -%}
{%- endmacro %}

{#
    The first event of each organization and event_id (R21): in an incremental build those of new
    loads that the model does not have already.

    events: with load_id, organization_id, event_id, event_number. loads: those to read.
#}
{% macro select_first_events(events, loads) -%}
    select ranked.*
    from (
        select
            {{ events }}.*,
            row_number() over (
                partition by {{ events }}.organization_id, {{ events }}.event_id
                order by {{ events }}.event_number
            ) as event_rank
        from {{ events }}
        inner join {{ loads }} on {{ events }}.load_id = {{ loads }}.load_id
    ) as ranked
    where
        ranked.event_rank = 1
        {%- if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as former
            where
                former.organization_id = ranked.organization_id
                and former.event_id = ranked.event_id
        )
        {%- endif %}
{%- endmacro %}

{#
    Whether a build reads the rows of all debts files that ever came: in a full refresh, and in the
    first build of a warehouse, or of one that has lost the hashes of its debts.
#}
{% macro reads_all_files() -%}
    {%- set debts = load_relation(source('base', 'debts')) if execute else none -%}
    {%- set hashes = load_relation(source('hashes', 'int_debts__hashed')) if execute else none -%}
    {{ return(should_full_refresh() or debts is none or hashes is none) }}
{%- endmacro %}

{#
    Stop a full refresh that does not read the rows of all files anew: what is there are the rows of
    the newest files alone, and all others would be lost.
#}
{% macro require_all_rows_in_a_full_refresh() -%}
    {%- set missing = [] -%}
    {%- for name in [
        'int_intake_files__read', 'int_invoices__recognized', 'int_invoices__checked'
    ] if 'model.' ~ project_name ~ '.' ~ name not in selected_resources -%}
        {%- do missing.append(name) -%}
    {%- endfor -%}
    {%- if execute and should_full_refresh() and missing -%}
        {{ exceptions.raise_compiler_error(
            this.name ~ ' cannot be refreshed by itself: it would keep the rows of the newest files'
            ~ ' alone. Refresh everything: dbt build --full-refresh'
        ) }}
    {%- endif -%}
{%- endmacro %}

{# Whether a build derives every account: in a full refresh, and where there are none yet. #}
{% macro derives_every_account() -%}
    {%- set accounts = load_relation(source('base', 'customer_accounts')) if execute else none -%}
    {{ return(should_full_refresh() or accounts is none) }}
{%- endmacro %}

{#
    Delete the accounts that a build derives anew. On DuckDB this is in the transaction that adds them.
#}
{% macro delete_touched_accounts() -%}
    {%- if execute and not derives_every_account() -%}
    delete from {{ this }}
    where exists (
        select 1
        from {{ ref('int_customer_accounts__touched') }} as touched
        where
            touched.organization_id = {{ this }}.organization_id
            and touched.former_customer_id = {{ this }}.customer_id
    )
    {%- endif -%}
{%- endmacro %}
