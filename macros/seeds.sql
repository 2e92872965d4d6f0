{#- As in dbt-duckdb, but also for a path with a quote: SALDO_HOME may be anywhere. -#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {%- set path = adapter.get_seed_file_path(model) | replace("'", "''") -%}
    {%- set sql -%}
        copy {{ this.render() }} from '{{ path }}' (format csv, header true, delimiter ',')
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {{ return(sql) }}
{% endmacro %}
