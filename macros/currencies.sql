{#
    Whether a row's own currency, as organizations write it, is the currency of its file's contract
    (R12). An empty cell counts as the contract's currency. `$` and `pesos` count if the contract's
    currency is a peso. A word that could mean two currencies, such as `$` with dollars, is not
    accepted.
#}
{% macro is_contract_currency(text, currency) -%}
    {%- set words = {
        'ARS': ['$', 'ar$', 'peso', 'pesos', 'peso argentino', 'pesos argentinos'],
        'BOB': ['bs', 'bs.', 'boliviano', 'bolivianos'],
        'BRL': ['r$', 'real', 'reales'],
        'CLF': ['uf', 'u.f.', 'unidad de fomento', 'unidades de fomento'],
        'CLP': ['$', 'ch$', 'clp$', 'peso', 'pesos', 'peso chileno', 'pesos chilenos'],
        'COP': ['$', 'col$', 'peso', 'pesos', 'peso colombiano', 'pesos colombianos'],
        'CUP': ['$', 'cu$', 'peso', 'pesos', 'peso cubano', 'pesos cubanos'],
        'DOP': ['$', 'rd$', 'peso', 'pesos', 'peso dominicano', 'pesos dominicanos'],
        'EUR': ['€', 'euro', 'euros'],
        'MXN': ['$', 'mx$', 'peso', 'pesos', 'peso mexicano', 'pesos mexicanos'],
        'PEN': ['s/', 's/.', 'sol', 'soles'],
        'PHP': ['₱', 'peso', 'pesos', 'peso filipino', 'pesos filipinos'],
        'PYG': ['₲', 'gs', 'gs.', 'guaraní', 'guaraníes', 'guarani', 'guaranies'],
        'USD': ['us$', 'u$s', 'dólar', 'dólares', 'dolar', 'dolares'],
        'UYU': ['$', '$u', 'peso', 'pesos', 'peso uruguayo', 'pesos uruguayos'],
    } -%}
    case
        when {{ text }} is null or {{ text }} = {{ currency }} then true
        else
            -- one list for all currencies: the normal form stands once in it
            concat({{ currency }}, ' ', lower({{ normal_id(text) }})) in (
                concat({{ currency }}, ' '),
                concat({{ currency }}, ' ', lower({{ currency }}))
                {%- for code, of_code in words.items() %},
                '{{ code }} {{ of_code | join("', '" ~ code ~ " ") }}'
                {%- endfor %}
            )
    end
{%- endmacro %}

{#
    Choose the expression for a currency's number of decimals. `by_decimals` has the keys 2, 3 and
    4 (R12).
#}
{% macro choose_by_decimals(currency, by_decimals) -%}
    case
        {%- for decimals in [3, 4] %}
        {%- set codes = [] -%}
        {%- for code, of_code in var('decimals_of_currencies').items() if of_code == decimals -%}
            {%- do codes.append(code) -%}
        {%- endfor %}
        when {{ matches(currency, '^(' ~ codes | join('|') ~ ')$') }} then {{ by_decimals[decimals] }}
        {%- endfor %}
        else {{ by_decimals[2] }}
    end
{%- endmacro %}
