{#- An empty cell of a contract means the default, in the single row of another seed. -#}
{%- set defaulted = [
    'currency', 'time_zone', 'cutoff_time', 'sftp_port', 'inbox_dir', 'outbox_dir',
    'invoices_pattern', 'payments_pattern', 'delimiter', 'decimal_separator', 'date_format',
    'max_withdrawal_share', 'max_rejected_share',
] -%}

with source as (
    select * from {{ ref('organizations') }}
),

defaults as (
    select * from {{ ref('organization_defaults') }}
),

renamed as (
    select
        -- ids
        source.organization_id,

        -- who it is
        source.name,
        source.country,

        -- how to read its files
        {%- for column in defaulted %}
        coalesce(nullif(trim(source.{{ column }}), ''), defaults.{{ column }}) as {{ column }},
        {%- endfor %}
        source.customer_id_scheme,
        source.update_mode,
        source.payment_flow
    from source
    cross join defaults
)

select * from renamed
