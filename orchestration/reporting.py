"""What a run tells on a terminal: the day of each organization, and its files."""

from __future__ import annotations

from datetime import date

import duckdb
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from orchestration.delivery import DELIVERED
from orchestration.home import Home

_DAY = """
with looks as (
    select
        looks.organization_id,
        arg_max(looks.outcome, looks.load_id) as outcome,
        max(looks.load_id) as load_id
    from raw.inbox_looks as looks
    inner join raw.loads on looks.load_id = loads.load_id
    where loads.business_date = $date
    group by looks.organization_id
),

files as (
    select
        organization_id,
        arg_max(status, load_id) as status,
            arg_max(accepted_count, load_id) as accepted_count,
        arg_max(rejected_count, load_id) as rejected_count,
        arg_max(new_count, load_id) as new_count,
        arg_max(changed_count, load_id) as changed_count,
        arg_max(withdrawn_count, load_id) as withdrawn_count
    from main.intake_files
    where kind = 'invoices' and business_date = $date
    group by organization_id
),

base as (
    select
        organization_id,
        count(*) filter (status = 'pending') as pending_count,
        count(*) filter (status = 'in_process') as in_process_count,
        count(*) filter (status = 'in_process' and kept_because = 'in_process') as kept_count,
        count(*) filter (status = 'paid') as paid_count,
        count(*) filter (status = 'withdrawn') as withdrawn_count,
        count(*) filter (status = 'void') as void_count,
        sum(amount) filter (is_in_base) as base_amount
    from main.debts
    group by organization_id
),

exceptions as (
    select
        organization_id,
        count(*) as open_count
    from main.payment_exceptions
    where is_open
    group by organization_id
),

lines as (
    select
        organization_id,
        count(*) as line_count
    from main.payments_file_lines
    where business_date = $date
    group by organization_id
)

select
    looks.organization_id,
    case
        when looks.outcome <> 'looked' then looks.outcome
        when files.organization_id is null then 'missing'
        else files.status
    end as file,
    files.accepted_count,
    files.rejected_count,
    files.new_count,
    files.changed_count,
    files.withdrawn_count,
    coalesce(base.pending_count, 0) as pending_count,
    coalesce(base.in_process_count, 0)
        || case when base.kept_count > 0 then ' (' || base.kept_count || ' kept)' else '' end,
    coalesce(base.paid_count, 0),
    coalesce(base.withdrawn_count, 0),
    coalesce(base.base_amount, 0),
    coalesce(lines.line_count, 0),
    coalesce(base.void_count, 0),
    looks.outcome = 'looked' and coalesce(files.status, 'missing') not in ('held', 'refused'),
    coalesce(exceptions.open_count, 0)
from looks
left join files on looks.organization_id = files.organization_id
left join base on looks.organization_id = base.organization_id
left join exceptions on looks.organization_id = exceptions.organization_id
left join lines on looks.organization_id = lines.organization_id
order by looks.organization_id
"""

_DELIVERIES = """
select organization_id || '/' || file_name, outcome, detail
from raw.deliveries
where business_date = $date
qualify row_number() over (
    partition by organization_id, file_name order by attempted_at desc
) = 1
order by organization_id
"""

_NOTES = """
select organization_id, file_name, status, code, message
from main.intake_files
where business_date = $date and code is not null
union all
select organization_id, 'inbox', 'not read', outcome, detail
from raw.inbox_looks
inner join raw.loads on inbox_looks.load_id = loads.load_id
where loads.business_date = $date and outcome <> 'looked'
order by all
"""

# Titles, column names and the places of the columns in a row of _DAY.
_TABLES = {
    "{day}: what came, and what was told": {
        "organization": 0,
        "file": 1,
        "rows": 2,
        "refused": 3,
        "new": 4,
        "changed": 5,
        "dropped": 6,
        "payments": 12,
    },
    "{day}: the debts afterwards": {
        "organization": 0,
        "pending": 7,
        "in process": 8,
        "base amount": 11,
        "paid": 9,
        "withdrawn": 10,
        "void": 13,
        "exceptions": 15,
    },
}


def show_day(
    console: Console, connection: duckdb.DuckDBPyConnection, home: Home, business_date: date
) -> bool:
    """Print what a business date brought, and where the payments files are.

    Returns:
        Whether every server answered, no file was refused or held and every file is delivered.

    """
    rows = connection.execute(_DAY, {"date": business_date}).fetchall()
    for title, columns in _TABLES.items():
        table = Table(
            title=title.format(day=business_date),
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for name in columns:
            is_text = name in {"organization", "file"}
            table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
        for row in rows:
            table.add_row(*(_as_text(row[position]) for position in columns.values()))
        console.print(table)
    for note in connection.execute(_NOTES, {"date": business_date}).fetchall():
        console.print("{} {} {} ({}): {}".format(*note), soft_wrap=True, highlight=False)
    is_good = all(row[14] for row in rows)
    for name, outcome, detail in connection.execute(
        _DELIVERIES, {"date": business_date}
    ).fetchall():
        said = outcome if detail is None else f"{outcome} ({detail})"
        console.print(f"{said}: {home.outbox / name}", soft_wrap=True, highlight=False)
        is_good = is_good and outcome in DELIVERED
    return is_good


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:,}"
