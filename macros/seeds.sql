{#-
    As in dbt-duckdb, but also for a path with a quote: SALDO_HOME may be anywhere. Blanks around a
    text do not count, as where Python reads the contracts (R11).
-#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {%- set path = adapter.get_seed_file_path(model) | replace("'", "''") -%}
    {%- set sql -%}
        copy {{ this.render() }} from '{{ path }}' (format csv, header true, delimiter ',')
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {%- set trimmed = [] -%}
    {%- for column in agate_table.column_names -%}
        {%- if model.config.get('column_types', {}).get(column) == 'string' -%}
            {%- set blanks = "'^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', '', 'g'" -%}
            {%- do trimmed.append(column ~ ' = regexp_replace(' ~ column ~ ', ' ~ blanks ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do adapter.add_query('update ' ~ this.render() ~ ' set ' ~ trimmed | join(', ')) if trimmed -%}
    {{ return(sql) }}
{% endmacro %}
