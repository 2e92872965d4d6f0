{#
    Stop a build, before it reads anything, beside marts of another load or warehouse than the one
    that is built: models would add to what they did not make (R28). Saldo looks before it starts dbt
    (check_together in orchestration/installation/warehouse.py); this does the same for dbt alone.
#}
{% macro require_own_marts() -%}
    {{ return(adapter.dispatch('require_own_marts', 'saldo')()) }}
{%- endmacro %}

{% macro default__require_own_marts() -%} {%- endmacro %}

{% macro duckdb__require_own_marts() -%}
    {%- if execute and not are_own_marts() -%}
        {{ exceptions.raise_compiler_error(
            'marts.duckdb and warehouse.duckdb are not of the same load:'
            ~ ' `python -m orchestration replay` rebuilds both'
        ) }}
    {%- endif -%}
{%- endmacro %}

{% macro are_own_marts() -%}
    {#- Without a transaction, as in find_fault_of_row_files. -#}
    {%- set there = run_query(
        "select concat_ws('.', database_name, schema_name, table_name, column_name)"
        ~ " from duckdb_columns()"
    ).rows | map(attribute=0) | list -%}
    {%- set stamp = 'marts.main.finished_load' -%}
    {%- set of_load, made_with, own_id = '0', 'null', 'null' -%}
    {%- set loads = '(select null as load_id, null as finished_at where 1 = 0)' -%}
    {%- if stamp ~ '.load_id' in there -%}
        {%- set of_load = '(select max(load_id) from ' ~ stamp ~ ')' -%}
    {%- endif -%}
    {%- if stamp ~ '.warehouse_id' in there -%}
        {%- set made_with = '(select max(warehouse_id) from ' ~ stamp ~ ')' -%}
    {%- endif -%}
    {%- if target.database ~ '.main.warehouse_id.warehouse_id' in there -%}
        {%- set own_id = '(select max(warehouse_id) from ' ~ target.database ~ '.main.warehouse_id)' -%}
    {%- endif -%}
    {%- if target.database ~ '.raw.loads.load_id' in there -%}
        {%- set loads = target.database ~ '.raw.loads' -%}
    {%- endif -%}
    {%- set fitting = run_query(
        "select count(*)"
        ~ " from (select count(*) as load_count,"
        ~ " coalesce(max(load_id) filter (where finished_at is not null), 0) as finished,"
        ~ " min(load_id) filter (where finished_at is null) as unfinished"
        ~ " from " ~ loads ~ ")"
        ~ " where coalesce(" ~ of_load ~ ", 0) in (finished, unfinished)"
        ~ " and (load_count = 0 or " ~ made_with ~ " is not distinct from " ~ own_id ~ ")"
    ) -%}
    {{ return(fitting.rows[0][0] == 1) }}
{%- endmacro %}
