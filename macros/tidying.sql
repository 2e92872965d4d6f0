{#
    Tables on Spark keep the files of all former builds, and each merge adds some to them: each load
    would be slower than the one before, and need more of the disk. So once in some loads they are
    written anew in few files, and what only former builds read is deleted. No row changes.
#}
{% macro tidy_tables() -%}
    {{ return(adapter.dispatch('tidy_tables', 'saldo')()) }}
{%- endmacro %}

{% macro default__tidy_tables() -%} {%- endmacro %}

{% macro spark__tidy_tables() -%}
    {#- If this run is killed, its load is taken once more, which replaces whole files. -#}
    {%- set load_id = run_query('select max(load_id) from raw.loads').rows[0][0] -%}
    {%- for table in graph.sources.values() | selectattr('source_name', 'eq', 'raw') -%}
        {%- set name = table.schema ~ '.' ~ table.identifier -%}
        {%- do tidy_table(name, is_taken_by_load(table), 'load_id < ' ~ load_id) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values()
        if node.resource_type in ('model', 'snapshot', 'seed') and node.config.materialized != 'view' -%}
        {%- set table = api.Relation.create(schema=node.schema, identifier=node.alias) -%}
        {%- if load_relation(table) is not none -%}
            {%- set is_added_to = node.config.materialized in ('incremental', 'snapshot') -%}
            {%- do tidy_table(table, is_added_to, rewritten=none) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro tidy_table(table, is_added_to, rewritten) -%}
    {%- if is_added_to -%}
        {#- A file of which a row was deleted is written anew, too. -#}
        {%- do run_query(
            "call system.rewrite_data_files(table => '" ~ table ~ "'"
            ~ (", where => '" ~ rewritten ~ "'" if rewritten else '') ~ ", options => map("
            ~ "'min-input-files', '2', 'delete-file-threshold', '1', 'remove-dangling-deletes', 'true'))"
        ) -%}
    {%- endif -%}
    {%- set now = modules.datetime.datetime.now(modules.pytz.utc) -%}
    {%- do run_query(
        "call system.expire_snapshots(table => '" ~ table ~ "', retain_last => 1,"
        ~ " older_than => timestamp '" ~ now.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "')"
    ) -%}
    {#- Files that nothing names: a seed that was dropped, a killed run. Those of three days stay. -#}
    {%- do run_query("call system.remove_orphan_files(table => '" ~ table ~ "')") -%}
{%- endmacro %}
