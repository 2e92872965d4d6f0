-- Every row of every debts file with its code (R15), for whoever asks about a row of long ago. A
-- build reads int_invoices__checked, which gives the same for what it must read.
with invoices as (
    select * from {{ ref('stg_intake__invoices') }}
),

coded as (
    {{ code_invoices('invoices') }}
),

stated as (
    select
        *,
        false as is_recognized
    from coded
),

repeated as (
    {{ find_repeated_keys('stated') }}
),

checked as (
    {{ check_invoices('stated', 'repeated') }}
)

select * from checked
