{%- set base = source('verdicts', 'int_intake_files__judged') -%}
{%- set columns = [
    ('file_id', dbt.type_string()),
    ('load_id', 'bigint'),
    ('verdict', dbt.type_string()),
    ('update_mode', dbt.type_string()),
] -%}

with source as (
    {{ select_from_former_load(base, columns) }}
),

renamed as (
    select
        file_id,
        load_id,
        verdict,
        update_mode
    from source
)

select * from renamed
