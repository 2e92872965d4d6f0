"""The findings of a load: unread inboxes and events; held, refused, missing and undelivered files;
payments that are nobody's or take too long; days that do not add up.

A finding is a sentence, a table and figures for a chart, without confidential data (R30). The rules
behind it are SQL in `models/`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestration.contracts.currencies import in_form
from orchestration.contracts.file_names import shown
from orchestration.installation import warehouse
from orchestration.installation.databases import Connection
from orchestration.installation.messages import list_some
from orchestration.installation.redaction import redactor

Row = Mapping[str, str]

_INBOXES = """
select organization_id, outcome as code, coalesce(detail, '') as message
from raw.inbox_looks
where load_id = $load_id
order by organization_id
"""

_HELD_FILES = """
select
    organization_id, business_date, file_id, new_count as new, changed_count as changed,
    unchanged_count as unchanged, withdrawn_count as withdrawn,
    kept_in_process_count as kept_in_process, code
from main.intake_files
where status = 'held'
order by organization_id, business_date, file_id
"""

_FILES = """
select
    organization_id, business_date, file_id, status, code, message, record_count, rejected_count
from main.intake_files
where load_id = $load_id
order by organization_id, business_date, file_id
"""

_REFUSED_EVENTS = """
select source_file, line_number, code, message
from main.refused_event_lines
where load_id = $load_id
order by source_file, line_number
"""

_WITHOUT_CONTRACT = """
select distinct organization_id, payment_id
from main.payment_exceptions
where code = 'unknown_organization' and is_open
order by organization_id, payment_id
"""

_UNKNOWN_STATUSES = """
select kind, organization_id, raw_status, event_count as events
from main.unknown_statuses
order by organization_id, kind, raw_status
"""

_DAYS = """
select organization_id, business_date, status
from main.intake_days
where load_id = $load_id
order by organization_id
"""

_UNDELIVERED = """
select organization_id, file_name, outcome, detail, is_left_to_people, batch_id
from main.deliveries
where is_undelivered
order by organization_id, file_name
"""

_TOO_LONG = """
select
    organization_id, payment_id, channel_label as channel, business_days, normal_business_days
from main.payments_in_process
where is_too_long
order by business_days - normal_business_days desc, organization_id, payment_id
"""

_AGEING = """
select payment_count, oldest_business_days from main.payments_in_process_ageing
"""

_NEWEST_BALANCES = """
select
    organization_id, business_date, currency, opening_count, new_count, returned_count, paid_count,
    withdrawn_count, void_count, closing_count, received_amount, published_amount,
    base_count_difference, base_amount_difference
from main.daily_balance
where business_date = (select max(business_date) from main.daily_balance)
order by organization_id, currency
"""


@dataclass(frozen=True)
class Finding:
    """The answer to one question about a load.

    Args:
        sentence: the answer, in words.
        rows: one row per case.
        figures: numbers for a chart over time, also without cases.
        context: rows to show if there is no case.

    """

    sentence: str
    rows: tuple[Row, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    context: tuple[Row, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to report."""
        return not self.rows


def find_inboxes_not_read(connection: Connection, load_id: int) -> Finding:
    """Find the inboxes that the load could not read (R20)."""
    looks = warehouse.read_rows(connection, _INBOXES, {"load_id": load_id})
    rows = [look for look in looks if look["code"] != "looked"]
    return _find(rows, "every inbox was read", "inboxes not read", "code")


def find_held_files(connection: Connection, _: int) -> Finding:
    """Find the files that wait for an operator, with the effect of each on the base (R17).

    `python -m orchestration approve FILE_ID` applies one, `refuse FILE_ID` ends it.
    """
    rows = warehouse.read_rows(connection, _HELD_FILES)
    return _find(rows, "no file waits for a decision", "files held", "file_id")


def find_refused_files(connection: Connection, load_id: int) -> Finding:
    """Find the files that the load refused as a whole (R16)."""
    files = warehouse.read_rows(connection, _FILES, {"load_id": load_id})
    names = ("organization_id", "business_date", "file_id", "code", "message")
    rows = [{name: file[name] for name in names} for file in files if file["status"] == "refused"]
    received = sum(file["record_count"] for file in files)
    refused = sum(file["rejected_count"] for file in files)
    figures = {
        "rows_received": received,
        "rows_refused": refused,
        "rows_refused_share": _share(refused, received),
    }
    return _find(rows, "no file was refused", "files refused", "code", figures)


def find_refused_events(connection: Connection, load_id: int) -> Finding:
    """Find the lines and files of events that the load could not read (R20)."""
    rows = warehouse.read_rows(connection, _REFUSED_EVENTS, {"load_id": load_id})
    good, bad = "every event was read", "lines or files of events refused"
    return _find(rows, good, bad, "code", of="source_file")


def find_payments_without_contract(connection: Connection, _: int = 0) -> Finding:
    """Find the payments of organizations that have no contract: they are in no file (R21, R25)."""
    payments = warehouse.read_rows(connection, _WITHOUT_CONTRACT)
    counts = Counter(shown(payment["organization_id"]) for payment in payments)
    rows = [{"organization_id": name, "payments": count} for name, count in counts.items()]
    good = "every payment is of an organization with a contract"
    bad = "payments of organizations without a contract, which are in no file"
    return _find(rows, good, bad, "payments", {"payments_without_contract": len(payments)})


def find_unknown_statuses(connection: Connection, _: int = 0) -> Finding:
    """Find the statuses of events that no seed lists: those events do not count (R21).

    One may say that a payment was given back, or that a payment method is cancelled.
    """
    found = warehouse.read_rows(connection, _UNKNOWN_STATUSES)
    rows = [
        {
            **row,
            "organization_id": shown(row["organization_id"]),
            "raw_status": shown(row["raw_status"]),
        }
        for row in found
    ]
    good = "the status of every event is known"
    bad = "statuses that no seed lists, so that their events do not count"
    figures = {"events_of_unknown_status": sum(row["events"] for row in found)}
    return _find(rows, good, bad, "raw_status", figures)


def find_missing_files(connection: Connection, load_id: int) -> Finding:
    """Find the organizations without a debts file at their cut-off (R18)."""
    days = warehouse.read_rows(connection, _DAYS, {"load_id": load_id})
    names = ("organization_id", "business_date")
    rows = [{name: day[name] for name in names} for day in days if day["status"] == "missing"]
    figures = {"inboxes": len(days), "missing_share": _share(len(rows), len(days))}
    good, bad = "every organization left its file", "files missing"
    return _find(rows, good, bad, "business_date", figures)


def find_undelivered_files(connection: Connection, told: int) -> Finding:
    """Find the files for organizations with a contract that no attempt has delivered (R24).

    Args:
        connection: the warehouse.
        told: the newest batch whose outcomes left to people were reported; these are reported once.

    """
    rows = [
        {
            "organization_id": file["organization_id"],
            "file_name": file["file_name"],
            "code": file["outcome"] or "not_attempted",
            "message": file["detail"],
        }
        for file in warehouse.read_rows(connection, _UNDELIVERED)
        if not file["is_left_to_people"] or file["batch_id"] > told
    ]
    return _find(rows, "every file is delivered", "files not delivered", "code")


def find_overdue_payments(connection: Connection, _: int = 0) -> Finding:
    """Find the payments that have been in process longer than their channel takes (R25)."""
    rows = warehouse.read_rows(connection, _TOO_LONG)
    ages = warehouse.read_rows(connection, _AGEING)
    figures = {
        "payments_in_process": sum(each["payment_count"] for each in ages),
        "oldest_business_days": max((each["oldest_business_days"] for each in ages), default=0),
    }
    good = "every payment in process is within its channel's time"
    return _find(rows, good, "payments in process for too long", "payment_id", figures)


def find_unbalanced_days(connection: Connection, _: int = 0) -> Finding:
    """Find each organization's newest day if its base or money does not add up."""
    days = [_describe_balance(day) for day in warehouse.read_rows(connection, _NEWEST_BALANCES)]
    rows = [day for day in days if day["does_not_add_up"]]
    found = _find(rows, "the newest day of everyone adds up", "days that do not add up", "currency")
    return Finding(found.sentence, found.rows, {"days": len(days)}, _as_texts(days))


def _describe_balance(day: Mapping[str, Any]) -> dict[str, Any]:
    differs = day["base_count_difference"] or day["base_amount_difference"]
    return {
        "organization_id": day["organization_id"],
        "business_date": day["business_date"],
        "opening": day["opening_count"],
        "entered": day["new_count"] + day["returned_count"],
        "paid": day["paid_count"],
        "taken_back": day["withdrawn_count"] + day["void_count"],
        "closing": day["closing_count"],
        "currency": day["currency"],
        "received": in_form(day["received_amount"], day["currency"]),
        "published": in_form(day["published_amount"], day["currency"]),
        "does_not_add_up": "the base" if differs else "",
    }


def _as_texts(rows: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Convert rows to text for a table: empty for null, and redacted."""
    redact = redactor(os.environ)
    return tuple(
        {name: "" if value is None else redact(str(value)) for name, value in row.items()}
        for row in rows
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _find(
    found: Sequence[Mapping[str, Any]],
    good: str,
    bad: str,
    detail: str,
    figures: Mapping[str, float] | None = None,
    of: str = "organization_id",
) -> Finding:
    rows = _as_texts(found)
    if not rows:
        return Finding(good, (), figures or {})
    cases = list_some([f"{row[of]} ({row[detail]})" for row in rows], most=10)
    return Finding(f"{bad}: {cases}", rows, figures or {})
