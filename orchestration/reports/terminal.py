"""Print the results of a run on the terminal: each organization's day, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestration.contracts.currencies import in_form
from orchestration.delivery.outbox import Delivery
from orchestration.delivery.outgoing import PAYMENTS_FILE
from orchestration.installation import warehouse
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.intake.checking import Checked
from orchestration.reports.findings import find_payments_without_contract, find_unknown_statuses
from orchestration.reports.printing import as_text, make_table, say

_DAYS = """
select
    organization_id, status, is_inbox_read, is_held, is_refused, inbox_code, inbox_message,
    accepted_count, rejected_count, new_count, changed_count, dropped_count, told_line_count,
    pending_count, in_process_count, kept_in_process_count, paid_count, withdrawn_count, void_count,
    currency, base_amount, other_currency_count, open_exception_count
from main.organization_days
where business_date = $date
order by organization_id
"""

_DELIVERIES = """
select
    organization_id, business_date, kind, file_name, outcome, detail, batch_id, attempt_count,
    is_delivered, is_left_to_people, is_undelivered
from main.deliveries
where business_date = $date or is_undelivered
order by organization_id, business_date, delivery_order, file_name
"""

_FILES = """
select organization_id, file_name, status, code, message
from main.intake_files
where $date in (loaded_on, business_date) and code is not null
"""

_REFUSED_EVENTS = """
select distinct source_file, line_number, code, message
from main.refused_event_lines
where loaded_on = $date
"""

_NEW_WITHOUT_CONTRACT = """
select payment_id
from main.payment_exceptions
where code = 'unknown_organization' and is_open and opened_on = $date
"""

_WITHOUT_CONTRACT = (
    "`payment_exceptions` names them (unknown_organization): add the contract, or ask the processor"
)
_NEW_UNKNOWN_STATUSES = """
select raw_status
from main.unknown_statuses
where first_loaded_on = $date
"""

_UNKNOWN_STATUS = (
    "list each in `payment_statuses.csv` or `enrollment_statuses.csv` of the seeds, and the next"
    " run counts them"
)
_BAD = ("held", "refused", "not read")
# What to do about a file by status. For "not read", the message says it.
_WHAT_TO_DO = {
    "held": "`held` shows what a file would change, `approve` and `refuse` decide",
    "refused": "have it corrected and sent again",
}

Day = Mapping[str, Any]
Note = tuple[str | None, ...]

# Titles and column names, and for each column the value that it shows of a day.
_TABLES: Mapping[str, Mapping[str, str | Callable[[Day], str]]] = {
    "{day}: what came, and what was told": {
        "organization": "organization_id",
        "file": "status",
        "rows": "accepted_count",
        "refused": "rejected_count",
        "new": "new_count",
        "changed": "changed_count",
        "dropped": "dropped_count",
        "payments": "told_line_count",
    },
    "{day}: the debts afterwards": {
        "organization": "organization_id",
        "pending": "pending_count",
        "in process": lambda day: _with_part(
            str(day["in_process_count"]), day["kept_in_process_count"], "kept"
        ),
        "base amount": lambda day: _with_part(
            as_text(in_form(day["base_amount"], day["currency"] or "")),
            day["other_currency_count"],
            "in other currencies",
        ),
        "paid": "paid_count",
        "dropped": "withdrawn_count",
        "void": "void_count",
        "issues": "open_exception_count",
    },
}


def show_day(
    console: Console,
    connection: Connection,
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
        Whether every server answered, nothing was refused or held, no payment of the date is of an
        organization without a contract, no status came first on it that no seed lists, and every
        file is delivered or was reported before as possibly received.

    """
    parameters = {"date": business_date}
    days = warehouse.read_rows(connection, _DAYS, parameters)
    for title, columns in _TABLES.items():
        table = make_table(title.format(day=business_date), columns)
        for day in days:
            table.add_row(*(_cell(day, shown) for shown in columns.values()))
        console.print(table)
    is_good = all(
        day["is_inbox_read"] and not day["is_held"] and not day["is_refused"] for day in days
    )
    notes = sorted(_read_notes(connection, parameters, days), key=_nulls_last)
    for note in notes:
        say(console, "{} {} {} ({}): {}".format(*note))
        is_good = is_good and note[2] not in _BAD
    for status, what_to_do in _WHAT_TO_DO.items():
        if any(note[2] == status for note in notes):
            say(console, f"{status}: {what_to_do}")
    unclaimed = find_payments_without_contract(connection)
    if not unclaimed.is_good:
        say(console, f"{unclaimed.sentence}; {_WITHOUT_CONTRACT}")
    is_good = is_good and not warehouse.read_rows(connection, _NEW_WITHOUT_CONTRACT, parameters)
    unknown = find_unknown_statuses(connection)
    if not unknown.is_good:
        say(console, f"{unknown.sentence}; {_UNKNOWN_STATUS}")
    is_good = is_good and not warehouse.read_rows(connection, _NEW_UNKNOWN_STATUSES, parameters)
    for each in warehouse.read_rows(connection, _DELIVERIES, parameters):
        was_told = each["is_left_to_people"] and each["batch_id"] <= told
        is_of_day = each["business_date"] == business_date and each["attempt_count"] > 0
        # files that another date still owes, unless their organization has left
        is_owed = each["is_undelivered"] and not was_told
        if not is_of_day and not is_owed:
            continue
        is_good = is_good and (each["is_delivered"] or was_told)
        is_payments_file = each["kind"] == PAYMENTS_FILE
        if is_payments_file or not each["is_delivered"]:
            outcome, detail = each["outcome"] or "not_attempted", each["detail"]
            said = outcome if detail is None else f"{outcome} ({detail})"
            organization_id, name = each["organization_id"], each["file_name"]
            path = home.outbox / organization_id / name
            say(console, f"{said}: {path if is_payments_file else f'{organization_id} {name}'}")
    return is_good


def _read_notes(
    connection: Connection, parameters: Mapping[str, object], days: Sequence[Day]
) -> Iterator[Note]:
    """Yield the files, inboxes and events of a date that need a note."""
    for file in warehouse.read_rows(connection, _FILES, parameters):
        names = ("organization_id", "file_name", "status", "code", "message")
        yield tuple(file[name] for name in names)
    for day in days:
        if not day["is_inbox_read"]:
            inbox = (day["inbox_code"], day["inbox_message"])
            yield (day["organization_id"], "inbox", "not read", *inbox)
    for line in warehouse.read_rows(connection, _REFUSED_EVENTS, parameters):
        place = f" line {line['line_number']}" if line["line_number"] > 0 else ""
        yield ("events", line["source_file"] + place, "refused", line["code"], line["message"])


def _nulls_last(note: Note) -> list[tuple[bool, str]]:
    return [(value is None, value or "") for value in note]


def _cell(day: Day, shown: str | Callable[[Day], str]) -> str:
    return as_text(day[shown]) if isinstance(shown, str) else shown(day)


def _with_part(text: str, count: int, what: str) -> str:
    return f"{text} ({count} {what})" if count else text


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
                meaning = column.field or ("attribute" if column.column_name else "")
                table.add_row(str(column.column_number), Text(column.column_name), meaning)
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
    console: Console, connection: Connection, load_ids: Sequence[int], file_ids: Sequence[str]
) -> dict[str, str]:
    """Print the results of workbooks, and their refused rows.

    Args:
        console: the terminal.
        connection: the warehouse.
        load_ids: all workbooks of these loads are shown.
        file_ids: these are shown whichever load took them.

    Returns:
        The status of each workbook by its id.

    """
    files = connection.execute(
        """
        select
            file_id, organization_id, file_name, status, message, new_count, changed_count,
            unchanged_count, rejected_count
        from main.intake_files
        where
            kind = 'customers'
            and (list_contains(?, load_id) or list_contains(?, file_id))
        order by load_id, organization_id
        """,
        [list(load_ids), list(file_ids)],
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
    return {file_id: status for file_id, _, _, status, *_ in files}
