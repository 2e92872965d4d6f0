{#
    Delete the note of the build that the warehouse stands by: dbt is about to write. The build of a
    load notes itself when it has ended well (orchestration/installation/standing.py). So one that was
    killed or has failed, and one that somebody started by hand, is followed by one of everything.
#}
{% macro forget_what_stands() -%}
    {{ return(adapter.dispatch('forget_what_stands', 'saldo')()) }}
{%- endmacro %}

{% macro default__forget_what_stands() -%} {%- endmacro %}

{% macro duckdb__forget_what_stands() -%}
    drop table if exists {{ target.database }}.main.built
{%- endmacro %}
