with source as (
    select * from {{ source('raw', 'loads') }}
),

newest as (
    select max(load_id) as load_id
    from source
),

renamed as (
    select
        source.load_id,
        source.contracts,

        -- times
        source.business_date,
        source.loaded_at,
        -- when all models and tests had processed it; null until then
        source.finished_at,

        -- the load of this build
        source.load_id = newest.load_id as is_current
    from source
    cross join newest
)

select * from renamed
