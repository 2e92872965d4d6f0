{#
    Makes the tables of schema `raw` that are missing, of the columns that the source describes. So
    dbt alone builds a warehouse of no rows, and nothing happens to one in use. Python makes the same
    tables of the same file (orchestration/installation/project_yaml.py).
#}
{% macro create_raw_tables() -%}
    {%- if execute -%}
        {%- set tables = graph.sources.values() | selectattr('source_name', 'eq', 'raw') | list -%}
        {%- set statements = ['create schema if not exists ' ~ tables[0].schema] -%}
        {%- for table in tables -%}
            {%- do statements.append(create_raw_table(table)) -%}
        {%- endfor -%}
        {{ run_in_order(statements) }}
    {%- endif -%}
{%- endmacro %}

{% macro create_raw_table(table) -%}
    {{ return(adapter.dispatch('create_raw_table', 'saldo')(table)) }}
{%- endmacro %}

{# An engine that does not enforce constraints has none. #}
{% macro default__create_raw_table(table) -%}
    create table if not exists {{ table.schema }}.{{ table.identifier }} (
        {%- for column in table.columns.values() %}
        {{ column.name }} {{ column.data_type }} {{- ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#
    What shows the rows of files is a view, over the files that a load has listed: see
    orchestration/installation/row_views.py. Where none has, it has no rows.
#}
{% macro duckdb__create_raw_table(table) -%}
    {%- if table.meta.get('rows') != 'in files' -%}
    create table if not exists {{ table.schema }}.{{ table.identifier }} (
        {%- for column in table.columns.values() %}
        {{ column.name }} {{ column.data_type }}
        {%- for constraint in column.constraints %} {{ constraint.type | replace('_', ' ') }}
        {%- endfor %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
    {%- else -%}
    create view if not exists {{ table.schema }}.{{ table.identifier }} as
    select
        {%- for column in table.columns.values() %}
        cast(null as {{ column.data_type }}) as {{ column.name }} {{- ',' if not loop.last }}
        {%- endfor %}
    where 1 = 0
    {%- endif -%}
{%- endmacro %}

{% macro run_in_order(statements) -%}
    {{ return(adapter.dispatch('run_in_order', 'saldo')(statements)) }}
{%- endmacro %}

{% macro default__run_in_order(statements) -%}
    {%- for statement in statements -%}
        {%- do run_query(statement) -%}
    {%- endfor -%}
{%- endmacro %}

{# Several statements at once, within the transaction of the hook. #}
{% macro duckdb__run_in_order(statements) -%} {{ return(statements | join(';\n')) }} {%- endmacro %}

{#
    Stop a build, before it reads anything, whose files of rows are not those that the loads have
    listed (R31). Saldo compares the files before it starts dbt; this does the same for dbt alone.
#}
{% macro require_row_files() -%}
    {{ return(adapter.dispatch('require_row_files', 'saldo')()) }}
{%- endmacro %}

{% macro default__require_row_files() -%} {%- endmacro %}

{% macro duckdb__require_row_files() -%}
    {%- if execute -%}
        {%- set fault = find_fault_of_row_files() -%}
        {%- if fault -%}
            {{ exceptions.raise_compiler_error(fault) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro find_fault_of_row_files() -%}
    {%- set replay = ': `python -m orchestration replay` rebuilds the warehouse' -%}
    {#- Without a transaction, which would take in the next hook and not be committed. -#}
    {%- set tables = run_query(
        "select table_name from duckdb_tables()"
        ~ " where database_name = current_database() and schema_name = 'raw'"
    ).rows | map(attribute=0) | list -%}
    {%- if 'invoices' in tables -%}
        {{ return('an older version made the warehouse' ~ replay) }}
    {%- elif 'row_files' not in tables -%}
        {{ return('') }}
    {%- endif -%}
    {#- A view that does not name a listed file has lost its rows. -#}
    {%- set unseen = run_query(
        "select files.table_name"
        ~ " from raw.row_files as files"
        ~ " left join duckdb_views() as views"
        ~ " on views.database_name = current_database() and views.schema_name = 'raw'"
        ~ " and views.view_name = files.table_name"
        ~ " where not coalesce(contains(views.sql, files.sha256), false)"
    ) -%}
    {%- if unseen.rows -%}
        {{ return('raw.' ~ unseen.rows[0][0] ~ ' does not show all of its rows' ~ replay) }}
    {%- endif -%}
    {#- Rows that no file has: of each load and kind, as many as its files have records. -#}
    {%- set uncounted = run_query(
        "select received.load_id"
        ~ " from (select load_id, sum(record_count) as row_count"
        ~ " from raw.intake_files group by load_id) as received"
        ~ " left join (select load_id, sum(row_count) as row_count"
        ~ " from raw.row_files group by load_id) as kept on received.load_id = kept.load_id"
        ~ " where received.row_count <> coalesce(kept.row_count, 0)"
    ) -%}
    {%- if uncounted.rows -%}
        {{ return('the rows of load ' ~ uncounted.rows[0][0] ~ ' are in no file' ~ replay) }}
    {%- endif -%}
    {#- A table that is built for the first time reads the rows of all loads. -#}
    {%- set built = run_query('select table_name from duckdb_tables()').rows
        | map(attribute=0) | list -%}
    {%- set new_tables = graph.nodes.values()
        | selectattr('config.materialized', 'equalto', 'incremental')
        | map(attribute='alias') | reject('in', built) | list -%}
    {%- set reads_all = flags.FULL_REFRESH or new_tables | length > 0 -%}
    {%- set is_any_listed = run_query('select 1 from raw.row_files limit 1').rows | length > 0 -%}
    {%- set is_checked = env_var('SALDO_ROWS_ARE_CHECKED', '') and not reads_all -%}
    {%- if is_checked or not is_any_listed -%}
        {{ return('') }}
    {%- endif -%}
    {%- set to_read = 'row_files' if reads_all else 'row_files_to_read' -%}
    {%- set listed = run_query('select table_name, load_id, sha256 from raw.' ~ to_read) -%}
    {%- for table, load_id, sha256 in listed.rows -%}
        {%- set path = table ~ '/load_id=' ~ load_id ~ '/' ~ sha256 ~ '.parquet' -%}
        {%- set found = run_query(
            "select sha256(content), contains(replace(filename, '" ~ path ~ "', ''), '=')"
            ~ " from read_blob('" ~ path ~ "')"
        ) -%}
        {%- if not found.rows -%}
            {{ return(path ~ ' is missing: `python -m orchestration restore` rebuilds it') }}
        {%- elif found.rows[0][1] -%}
            {#- DuckDB takes a folder `name=x` for the column of that name. -#}
            {{ return('SALDO_HOME cannot be in a folder whose name has an `=`') }}
        {%- endif -%}
        {%- if found.rows[0][0] != sha256 -%}
            {{ return(
                path ~ ' is not as it was written: `python -m orchestration restore` rebuilds it'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return('') }}
{%- endmacro %}
