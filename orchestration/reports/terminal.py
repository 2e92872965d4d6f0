"""Print the results of a run on the terminal: each organization's day, and its files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
from rich.console import Console
from rich.text import Text

from orchestration.contracts.currencies import in_form
from orchestration.delivery.attempts import OUTCOMES, OUTCOMES_PARAMETERS
from orchestration.delivery.outbox import Delivery
from orchestration.delivery.outgoing import DELIVERED, LEFT_TO_PEOPLE, PAYMENTS_FILE
from orchestration.installation.home import Home
from orchestration.intake.checking import Checked
from orchestration.reports.printing import as_text, make_table, say

_DAY = """
with days as (
    select * from main.intake_days where business_date = $date
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
        sum(amount) filter (is_in_base) as base_amount,
        max(currency) as currency
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
    days.organization_id,
    days.status,
    days.accepted_count,
    days.rejected_count,
    days.new_count,
    days.changed_count,
    days.withdrawn_count,
    coalesce(base.pending_count, 0) as pending_count,
    coalesce(base.in_process_count, 0)
        || case when base.kept_count > 0 then ' (' || base.kept_count || ' kept)' else '' end,
    coalesce(base.paid_count, 0),
    coalesce(base.withdrawn_count, 0),
    coalesce(base.base_amount, 0),
    coalesce(lines.line_count, 0),
    coalesce(base.void_count, 0),
    days.is_inbox_read and days.status not in ('held', 'refused'),
    coalesce(exceptions.open_count, 0),
    coalesce(base.currency, '')
from days
left join base on days.organization_id = base.organization_id
left join exceptions on days.organization_id = exceptions.organization_id
left join lines on days.organization_id = lines.organization_id
order by days.organization_id
"""

_DELIVERIES = f"""
with outcomes as ({OUTCOMES})

select kind, organization_id, file_name, outcome, detail, batch_id
from outcomes
where
    business_date = $date
    or (
        -- what another date still owes, unless its organization has left
        not list_contains($delivered, outcome)
        and (not list_contains($left_to_people, outcome) or batch_id > $told)
        and organization_id in (select organization_id from main.organizations)
    )
order by organization_id, business_date
"""  # noqa: S608 (a query of ours)

_NOTES = """
select files.organization_id, files.file_name, files.status, files.code, files.message
from main.intake_files as files
inner join raw.loads on files.load_id = loads.load_id
where $date in (loads.business_date, files.business_date) and files.code is not null
union all
select organization_id, 'inbox', 'not read', inbox_code, inbox_message
from main.intake_days
where business_date = $date and not is_inbox_read
union all
select
    'events',
    source_file || case when line_number > 0 then ' line ' || line_number else '' end,
    'refused',
    code,
    message
from main.refused_event_lines as lines
inner join raw.loads on lines.load_id = loads.load_id
where loads.business_date = $date
order by all
"""

_BAD = ("held", "refused", "not read")
# What to do about a file by status. For "not read", the message says it.
_WHAT_TO_DO = {
    "held": "`held` shows what a file would change, `approve` and `refuse` decide",
    "refused": "have it corrected and sent again",
}

# Titles, column names, and positions of the columns in a row of _DAY.
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
        "dropped": 10,
        "void": 13,
        "issues": 15,
    },
}


def show_day(
    console: Console,
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    business_date: date,
    told: int,
) -> bool:
    """Print the results of a business date, and where the payments files are.

    Args:
        console: the terminal.
        connection: the warehouse.
        home: the installation.
        business_date: the date.
        told: the newest batch of deliveries whose outcomes left to people were reported.

    Returns:
        Whether every server answered, nothing was refused or held, and every file is delivered or
        was reported before as possibly received.

    """
    rows = connection.execute(_DAY, {"date": business_date}).fetchall()
    rows = [(*row[:11], in_form(row[11], row[16]), *row[12:]) for row in rows]
    for title, columns in _TABLES.items():
        table = make_table(title.format(day=business_date), columns)
        for row in rows:
            table.add_row(*(as_text(row[position]) for position in columns.values()))
        console.print(table)
    is_good = all(row[14] for row in rows)
    notes = connection.execute(_NOTES, {"date": business_date}).fetchall()
    for note in notes:
        say(console, "{} {} {} ({}): {}".format(*note))
        is_good = is_good and note[2] not in _BAD
    for status, what_to_do in _WHAT_TO_DO.items():
        if any(note[2] == status for note in notes):
            say(console, f"{status}: {what_to_do}")
    for kind, organization_id, name, outcome, detail, batch_id in connection.execute(
        _DELIVERIES, {"date": business_date, "told": told, **OUTCOMES_PARAMETERS}
    ).fetchall():
        was_told = outcome in LEFT_TO_PEOPLE and batch_id <= told
        is_good = is_good and (outcome in DELIVERED or was_told)
        if kind == PAYMENTS_FILE or outcome not in DELIVERED:
            said = outcome if detail is None else f"{outcome} ({detail})"
            path = home.outbox / organization_id / name
            shown = path if kind == PAYMENTS_FILE else f"{organization_id} {name}"
            say(console, f"{said}: {shown}")
    return is_good


def show_deliveries(console: Console, home: Home, deliveries: Sequence[Delivery]) -> None:
    """Print the results of delivery attempts."""
    for each in deliveries:
        said = each.outcome if each.detail is None else f"{each.outcome} ({each.detail})"
        say(console, f"{said}: {each.file.path(home) or each.file.file_name}")


def show_checked(console: Console, found: Sequence[Checked]) -> None:
    """Print the results of a check by organization, with one line per refused row."""
    for checked in found:
        console.rule(f"[bold]{checked.organization_id}", align="left")
        if checked.error is not None:
            say(console, "server: {}: {}".format(*checked.error))
            continue
        say(console, f"server: answers; {checked.files_seen} files in the inbox")
        for note in checked.notes:
            say(console, f"server: {note}")
        for code, message in checked.left_out:
            say(console, f"inbox: {code}: {message}")
        for folder, other in checked.shared:
            say(
                console,
                f"folders: {folder.column} of {folder.organization_id} ({folder.path}) is, or is"
                f" inside, {other.column} of {other.organization_id} ({other.path}) on the"
                " server: give each a folder of its own",
            )
        if checked.file is None:
            say(
                console,
                "file: none that is named like a debts file; have one sent, or correct the"
                " contract's invoices_pattern",
            )
            continue
        say(console, f"file: {checked.file.file_name}, {checked.file.byte_count:,} bytes")
        if checked.columns:
            table = make_table("what the columns mean", ("column", "header", "meaning"))
            for column in checked.columns:
                meaning = column.field or ("attribute" if column.name else "")
                table.add_row(str(column.position), Text(column.name), meaning)
            console.print(table)
            say(console, f"encoding: {checked.encoding}")
            say(
                console,
                f"records: {checked.record_count:,}, of which {checked.accepted_count:,} accepted",
            )
        for warning in checked.warnings:
            say(console, f"warning: {warning}")
        for row in checked.refused_rows:
            say(console, f"line {row.line_number}: {row.code}: {row.message}")
        if checked.code is not None:
            say(console, f"the whole file: {checked.status} ({checked.code}): {checked.message}")


def show_uploads(
    console: Console, connection: duckdb.DuckDBPyConnection, load_ids: Sequence[int]
) -> bool:
    """Print the results of the workbooks in some loads, and their refused rows.

    Returns:
        Whether none of the workbooks was refused.

    """
    files = connection.execute(
        """
        select
            file_id, organization_id, file_name, status, message, new_count, changed_count,
            unchanged_count, rejected_count
        from main.intake_files
        where kind = 'customers' and list_contains(?, load_id)
        order by load_id, organization_id
        """,
        [list(load_ids)],
    ).fetchall()
    for file_id, organization_id, file_name, status, message, *counts in files:
        said = "" if message is None else f" ({message})"
        say(
            console,
            f"{organization_id} {file_name}: {status}{said}; customers: {counts[0]} new,"
            f" {counts[1]} changed, {counts[2]} unchanged; rows refused: {counts[3]}",
        )
        for line_number, code, row_message in connection.execute(
            "select line_number, code, message from main.intake_rejections"
            " where file_id = ? order by line_number",
            [file_id],
        ).fetchall():
            say(console, f"  row {line_number}: {code}: {row_message}")
    return all(file[3] != "refused" for file in files)
