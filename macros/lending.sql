{#
    What an engine beside the warehouse is lent before a build, and gives back after it
    (orchestration/installation/spark.py). DuckDB builds in the warehouse itself.
#}
{% macro take_what_was_lent() -%}
    {{ return(adapter.dispatch('take_what_was_lent', 'saldo')()) }}
{%- endmacro %}

{% macro default__take_what_was_lent() -%} {%- endmacro %}

{% macro spark__take_what_was_lent() -%}
    {%- if execute and env_var('SALDO_SPARK_LENT', '') -%}
        {%- set load_id = run_query('select max(load_id) from ' ~ lent('loads')).rows[0][0] -%}
        {%- do require_former_loads(load_id) -%}
        {%- do require_time_zones() -%}
        {%- for table in graph.sources.values() | selectattr('source_name', 'eq', 'raw') -%}
            {%- set name = table.schema ~ '.' ~ table.identifier -%}
            {%- set columns = table.columns.values() | map(attribute='name') | join(', ') -%}
            {%- set rows = 'select ' ~ columns ~ ' from ' ~ lent(table.identifier) -%}
            {%- if is_taken_by_load(table) -%}
                {#- In one statement: what a killed run had begun may end beside it on a cluster. -#}
                {%- do run_query(
                    'insert into ' ~ name ~ ' replace where load_id = ' ~ load_id ~ ' ' ~ rows
                ) -%}
            {%- else -%}
                {%- do run_query('insert overwrite ' ~ name ~ ' ' ~ rows) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do require_all_taken(load_id) -%}
    {%- endif -%}
{%- endmacro %}

{#
    Stop a build whose engine has other local times than the warehouse, or does not know a time zone:
    a payment would be of another day in its file, or the file could not be made.
#}
{% macro require_time_zones() -%}
    {#- To ask for the local time of a zone that Java does not know is an error. -#}
    {%- set others = run_query(
        'with known as (select time_zone, instant, local_time from ' ~ lent('time_zones')
        ~ ' where try_cast(concat(\'2026-01-01 00:00:00 \', time_zone) as timestamp) is not null)'
        ~ ' select distinct lent.time_zone from ' ~ lent('time_zones') ~ ' as lent'
        ~ ' left join known on lent.time_zone = known.time_zone and lent.instant = known.instant'
        ~ ' where known.local_time is null'
        ~ ' or ' ~ in_time_zone('known.instant', 'known.time_zone') ~ ' <> known.local_time'
        ~ ' order by lent.time_zone'
    ).rows -%}
    {%- if others -%}
        {{ exceptions.raise_compiler_error(
            'Java has other local times than DuckDB in ' ~ others | map(attribute=0) | join(', ')
            ~ ': update Java, on a cluster on the server and all workers, or DuckDB if it is older'
        ) }}
    {%- endif -%}
{%- endmacro %}

{#
    Stop a build whose engine has not taken each row that it was lent: a cluster can read a file that
    it does not find, or only in part, without an error.
#}
{% macro require_all_taken(load_id) -%}
    {%- set taken = [] -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'eq', 'raw') -%}
        {%- set which = ' where load_id = ' ~ load_id if is_taken_by_load(table) else '' -%}
        {%- do taken.append(
            'select \'' ~ table.identifier ~ '\' as table_name from '
            ~ table.schema ~ '.' ~ table.identifier ~ which
        ) -%}
    {%- endfor -%}
    {%- set others = run_query(
        'with taken as (' ~ taken | join(' union all ') ~ '),'
        ~ ' counted as (select table_name, count(*) as row_count from taken group by table_name)'
        ~ ' select lent.table_name, lent.row_count, coalesce(counted.row_count, 0)'
        ~ ' from ' ~ lent('counts') ~ ' as lent'
        ~ ' left join counted on lent.table_name = counted.table_name'
        ~ ' where lent.row_count <> coalesce(counted.row_count, 0)'
    ).rows -%}
    {%- if others -%}
        {{ exceptions.raise_compiler_error(
            'Spark has taken ' ~ others[0][2] ~ ' rows of raw.' ~ others[0][0] ~ ', and was lent '
            ~ others[0][1] ~ ': run again; on a cluster, all machines must see SALDO_HOME under the'
            ~ ' same path (docs/scale.md)'
        ) }}
    {%- endif -%}
{%- endmacro %}

{# Whether the rows of a table of `raw` are those of a load, and stay as they are. #}
{% macro is_taken_by_load(table) -%}
    {{ return('load_id' in table.columns and table.meta.get('rows') != 'change after their load') }}
{%- endmacro %}

{% macro lent(table) -%}
    parquet.`{{ env_var('SALDO_SPARK_LENT') }}/{{ table }}.parquet`
{%- endmacro %}

{#
    Stop a build whose engine has other loads than the warehouse. The one that was lent is not there
    yet, or is what a killed run left of it, with the same time.
#}
{% macro require_former_loads(load_id) -%}
    {%- set others = run_query(
        'select count(*) from raw.loads as former full outer join ' ~ lent('loads') ~ ' as lent'
        ~ ' on former.load_id = lent.load_id and former.loaded_at = lent.loaded_at'
        ~ ' where lent.load_id is null'
        ~ ' or (former.load_id is null and lent.load_id <> ' ~ load_id ~ ')'
    ).rows[0][0] -%}
    {%- if others -%}
        {{ exceptions.raise_compiler_error(
            'the tables on Spark have not the loads of this warehouse:'
            ~ ' `python -m orchestration replay` rebuilds both'
        ) }}
    {%- endif -%}
{%- endmacro %}

{% macro give_back(results) -%}
    {{ return(adapter.dispatch('give_back', 'saldo')(results)) }}
{%- endmacro %}

{% macro default__give_back(results) -%} {%- endmacro %}

{% macro spark__give_back(results) -%}
    {%- set folder = env_var('SALDO_SPARK_MADE', '') -%}
    {%- set failed = results | selectattr('status', 'in', ['error', 'fail', 'skipped']) | list -%}
    {%- if execute and folder and not failed -%}
        {%- set counts = [] -%}
        {%- for node in graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'snapshot'])
            if node.config.materialized != 'view' -%}
            {%- set table = api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.alias
            ) -%}
            {%- set rows = 'cast(null as bigint) as row_count' -%}
            {%- if load_relation(table) is not none -%}
                {%- do run_query(
                    'insert overwrite directory \'' ~ folder ~ '/' ~ table ~ '\' using parquet'
                    ~ ' select * from ' ~ table
                ) -%}
                {%- set rows = 'count(*) as row_count from ' ~ table -%}
            {%- endif -%}
            {%- do counts.append('select \'' ~ table ~ '\' as made, ' ~ rows) -%}
        {%- endfor -%}
        {%- do run_query(
            'insert overwrite directory \'' ~ folder ~ '/counts\' using parquet '
            ~ counts | join(' union all ')
        ) -%}
        {%- set load_id = run_query('select max(load_id) from ' ~ lent('loads')).rows[0][0] -%}
        {%- set loads = var('loads_between_tidyings') -%}
        {%- if loads and load_id % loads == 0 -%}
            {%- do tidy_tables() -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
