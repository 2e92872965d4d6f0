{#
    Write the rows of a seed as literals. dbt-spark binds them as parameters: an empty cell becomes
    the text `None`, a quote ends its text, and a number becomes a floating-point number.
#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = model.config.get('column_types', {}) -%}
    {%- set statements = [] -%}
    {%- for chunk in agate_table.rows | batch(get_batch_size()) -%}
        {%- set sql -%}
            insert into {{ this.render() }} values
            {%- for row in chunk %}
            (
                {%- for value in row -%}
                    {%- set inferred = adapter.convert_type(agate_table, loop.index0) -%}
                    {%- set type = types.get(agate_table.column_names[loop.index0], inferred) -%}
                    cast({{ write_literal(value) }} as {{ type }}) {{- ', ' if not loop.last }}
                {%- endfor -%}
            )
            {{- ',' if not loop.last }}
            {%- endfor %}
        {%- endset -%}
        {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
        {%- do statements.append(sql) -%}
    {%- endfor -%}
    {{ return(statements[0]) }}
{% endmacro %}

{# A value of a seed as Spark reads it: a text without blanks around it, which is cast, or null. #}
{% macro write_literal(value) -%}
    {%- if value is none -%}
        null
    {%- else -%}
        '{{ value | string | trim | replace("\\", "\\\\") | replace("'", "\\'") }}'
    {%- endif -%}
{%- endmacro %}
