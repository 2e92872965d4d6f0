"""The findings of a load: unread inboxes and events; held, refused, missing and undelivered files;
payments that take too long; days that do not add up.

A finding is a sentence, a table and figures for a chart, without confidential data (R30). The rules
behind it are SQL in `models/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import duckdb

from orchestration.contracts.currencies import in_form
from orchestration.delivery.attempts import OUTCOMES, OUTCOMES_PARAMETERS
from orchestration.installation.redaction import redactor

Row = Mapping[str, str]

_INBOXES_NOT_READ = """
select organization_id, outcome as code, coalesce(detail, '') as message
from raw.inbox_looks
where load_id = $load_id and outcome <> 'looked'
order by organization_id
"""

_HELD_FILES = """
select
    organization_id,
    cast(business_date as varchar) as business_date,
    file_id,
    cast(new_count as varchar) as new,
    cast(changed_count as varchar) as changed,
    cast(unchanged_count as varchar) as unchanged,
    cast(withdrawn_count as varchar) as withdrawn,
    cast(kept_in_process_count as varchar) as kept_in_process,
    coalesce(code, '') as code
from main.intake_files
where status = 'held'
order by organization_id, business_date, file_id
"""

_REFUSED_FILES = """
select
    organization_id,
    cast(business_date as varchar) as business_date,
    file_id,
    coalesce(code, '') as code,
    coalesce(message, '') as message
from main.intake_files
where status = 'refused' and load_id = $load_id
order by organization_id, business_date, file_id
"""

_REFUSED_EVENTS = """
select source_file, cast(line_number as varchar) as line_number, code, message
from main.refused_event_lines
where load_id = $load_id
order by source_file, refused_event_lines.line_number
"""

_MISSING = """
select days.organization_id, cast(days.business_date as varchar) as business_date
from main.intake_days as days
inner join raw.inbox_looks as looks on days.organization_id = looks.organization_id
inner join raw.loads
    on looks.load_id = loads.load_id and days.business_date = loads.business_date
where looks.load_id = $load_id and days.status = 'missing'
order by days.organization_id
"""

_NOT_DELIVERED = f"""
with outcomes as ({OUTCOMES})

select organization_id, file_name, outcome as code, coalesce(detail, '') as message
from outcomes
where
    not list_contains($delivered, outcome)
    and (not list_contains($left_to_people, outcome) or batch_id > $told)
    and organization_id in (select organization_id from main.organizations)
order by organization_id, file_name
"""  # noqa: S608 (a query of ours)

_ROWS_OF_FILES = """
select
    cast(coalesce(sum(record_count), 0) as bigint) as rows_received,
    cast(coalesce(sum(rejected_count), 0) as bigint) as rows_refused
from main.intake_files
where load_id = $load_id
"""

_INBOXES_LOOKED_INTO = """
select count(*) as inboxes from raw.inbox_looks where load_id = $load_id
"""

_TOO_LONG = """
select
    organization_id,
    payment_id,
    channel_label as channel,
    cast(business_days as varchar) as business_days,
    cast(normal_business_days as varchar) as normal_business_days
from main.payments_in_process
where is_too_long
order by business_days - normal_business_days desc, organization_id, payment_id
"""

_IN_PROCESS = """
select count(*) as payments_in_process, coalesce(max(business_days), 0) as oldest_business_days
from main.payments_in_process
"""

_NEWEST_BALANCES = """
with ranked as (
    select
        *,
        row_number() over (
            partition by organization_id, currency order by business_date desc
        ) as newest_rank
    from main.daily_balance
)

select
    organization_id,
    cast(business_date as varchar) as business_date,
    cast(opening_count as varchar) as opening,
    cast(new_count + returned_count as varchar) as entered,
    cast(paid_count as varchar) as paid,
    cast(withdrawn_count + void_count as varchar) as taken_back,
    cast(closing_count as varchar) as closing,
    currency,
    cast(received_amount as varchar) as received,
    cast(published_amount as varchar) as published,
    case
        when
            opening_count + new_count + returned_count
            - paid_count - withdrawn_count - void_count <> closing_count
            or opening_amount + new_amount + returned_amount + changed_amount
            - paid_amount - withdrawn_amount - void_amount <> closing_amount
            then 'the base'
        when opening_held_amount + received_amount - published_amount <> closing_held_amount
            then 'the money'
        else ''
    end as does_not_add_up
from ranked
where newest_rank = 1
order by organization_id, currency
"""
_AMOUNTS = ("received", "published")


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


def find_inboxes_not_read(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """Find the inboxes that the load could not read (R20)."""
    rows = _fetch(connection, _INBOXES_NOT_READ, load_id=load_id)
    return _find(rows, "every inbox was read", "inboxes not read", "code")


def find_held_files(connection: duckdb.DuckDBPyConnection, _: int) -> Finding:
    """Find the files that wait for an operator, with the effect of each on the base (R17).

    `python -m orchestration approve FILE_ID` applies one, `refuse FILE_ID` ends it.
    """
    rows = _fetch(connection, _HELD_FILES)
    return _find(rows, "no file waits for a decision", "files held", "file_id")


def find_refused_files(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """Find the files that the load refused as a whole (R16)."""
    rows = _fetch(connection, _REFUSED_FILES, load_id=load_id)
    figures = _fetch_figures(connection, _ROWS_OF_FILES, load_id=load_id)
    figures["rows_refused_share"] = _share(figures["rows_refused"], figures["rows_received"])
    return _find(rows, "no file was refused", "files refused", "code", figures)


def find_refused_events(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """Find the lines and files of events that the load could not read (R20)."""
    rows = _fetch(connection, _REFUSED_EVENTS, load_id=load_id)
    good, bad = "every event was read", "lines or files of events refused"
    return _find(rows, good, bad, "code", of="source_file")


def find_missing_files(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """Find the organizations without a debts file at their cut-off (R18)."""
    rows = _fetch(connection, _MISSING, load_id=load_id)
    figures = _fetch_figures(connection, _INBOXES_LOOKED_INTO, load_id=load_id)
    figures["missing_share"] = _share(len(rows), figures["inboxes"])
    good, bad = "every organization left its file", "files missing"
    return _find(rows, good, bad, "business_date", figures)


def find_undelivered_files(connection: duckdb.DuckDBPyConnection, told: int) -> Finding:
    """Find the files for organizations with a contract that no attempt has delivered (R24).

    Args:
        connection: the warehouse.
        told: the newest batch whose outcomes left to people were reported; these are reported once.

    """
    rows = _fetch(connection, _NOT_DELIVERED, **OUTCOMES_PARAMETERS, told=told)
    return _find(rows, "every file is delivered", "files not delivered", "code")


def find_overdue_payments(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Find the payments that have been in process longer than their channel takes (R25)."""
    rows = _fetch(connection, _TOO_LONG)
    figures = _fetch_figures(connection, _IN_PROCESS)
    good = "every payment in process is within its channel's time"
    return _find(rows, good, "payments in process for too long", "payment_id", figures)


def find_unbalanced_days(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Find each organization's newest day if its base or money does not add up."""
    days = [
        day | {name: str(in_form(Decimal(day[name]), day["currency"])) for name in _AMOUNTS}
        for day in _fetch(connection, _NEWEST_BALANCES)
    ]
    rows = [day for day in days if day["does_not_add_up"]]
    found = _find(rows, "the newest day of everyone adds up", "days that do not add up", "currency")
    return Finding(found.sentence, found.rows, {"days": len(days)}, tuple(days))


def _fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, **parameters: str | int | list[str]
) -> list[dict[str, str]]:
    result = connection.execute(sql, parameters)
    names = [column[0] for column in result.description or []]
    redact = redactor(os.environ)
    return [
        {name: redact(value) for name, value in zip(names, row, strict=True)}
        for row in result.fetchall()
    ]


def _fetch_figures(
    connection: duckdb.DuckDBPyConnection, sql: str, **parameters: str | int
) -> dict[str, float]:
    """Return the single row of a query of numbers."""
    result = connection.execute(sql, parameters)
    names = [column[0] for column in result.description or []]
    return dict(zip(names, result.fetchone() or (), strict=True))


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _find(
    rows: list[dict[str, str]],
    good: str,
    bad: str,
    detail: str,
    figures: Mapping[str, float] | None = None,
    of: str = "organization_id",
) -> Finding:
    if not rows:
        return Finding(good, (), figures or {})
    cases = ", ".join(f"{row[of]} ({row[detail]})" for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""  # noqa: PLR2004
    return Finding(f"{bad}: {cases}{more}", tuple(rows), figures or {})
