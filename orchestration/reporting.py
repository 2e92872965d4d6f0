"""What a run tells on a terminal: the day of each organization, and its files."""

from __future__ import annotations

from datetime import date

import duckdb
from rich.console import Console
from rich.table import Table

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
        arg_max(code, load_id) as code,
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
        when files.code is null then files.status
        else files.status || ': ' || files.code
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
    coalesce(lines.line_count, 0)
from looks
left join files on looks.organization_id = files.organization_id
left join base on looks.organization_id = base.organization_id
left join lines on looks.organization_id = lines.organization_id
order by looks.organization_id
"""

_COLUMNS = (
    "organization",
    "debts file",
    "rows ok",
    "refused",
    "new",
    "changed",
    "dropped",
    "pending",
    "in process",
    "paid",
    "withdrawn",
    "base amount",
    "payments told",
)


def show_day(
    console: Console, connection: duckdb.DuckDBPyConnection, home: Home, business_date: date
) -> bool:
    """Print the day's table and where the payments files are.

    Returns:
        Whether nothing was refused, held, missing its server or undelivered.
    """
    rows = connection.execute(_DAY, {"date": business_date}).fetchall()
    table = Table(title=f"Business date {business_date}", title_justify="left")
    for position, column in enumerate(_COLUMNS):
        table.add_column(column, justify="left" if position < 2 else "right")  # noqa: PLR2004
    for row in rows:
        table.add_row(*("" if value is None else f"{value:,}" if _is_number(value) else str(value)
                        for value in row))
    console.print(table)
    is_good = all(row[1] in {"applied", "missing"} or row[1].startswith(("duplicate", "superseded"))
                  for row in rows)
    for name, outcome, detail in connection.execute(
        """
        select organization_id || '/' || file_name, outcome, detail
        from raw.deliveries
        where business_date = ?
        qualify row_number() over (
            partition by organization_id, file_name order by attempted_at desc
        ) = 1
        order by organization_id
        """,
        [business_date],
    ).fetchall():
        said = outcome if detail is None else f"{outcome}: {detail}"
        console.print(f"  {said:<14} {home.outbox / name}", soft_wrap=True, highlight=False)
        is_good = is_good and outcome in {"delivered", "already_there"}
    return is_good


def _is_number(value: object) -> bool:
    return not isinstance(value, str)
