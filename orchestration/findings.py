"""What a load found that a person should know: inboxes not read, files held, refused, missing, not
delivered.

A finding is a sentence and a table, without what must not be told (R30); the rules behind it are
SQL in `models/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from orchestration.redaction import redact

Row = Mapping[str, str]

_INBOXES_NOT_READ = """
select organization_id, outcome as code, coalesce(detail, '') as message
from raw.inbox_looks
where load_id = $load_id and outcome <> 'looked'
order by organization_id
"""

_FILES_BY_STATUS = """
select
    organization_id,
    cast(business_date as varchar) as business_date,
    file_id,
    coalesce(code, '') as code,
    coalesce(message, '') as message
from main.intake_files
where status = $status and ($status = 'held' or load_id = $load_id)
order by organization_id, business_date, file_id
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

_NOT_DELIVERED = """
with attempts as (
    select
        *,
        row_number() over (
            partition by organization_id, file_name order by attempted_at desc
        ) as attempt_rank
    from raw.deliveries
)

select organization_id, file_name, outcome as code, coalesce(detail, '') as message
from attempts
where attempt_rank = 1 and outcome not in ('delivered', 'already_there')
order by organization_id, file_name
"""


@dataclass(frozen=True)
class Finding:
    """The answer to one question about a load, with a row for each case."""

    sentence: str
    rows: tuple[Row, ...]

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.rows


def find_inboxes_not_read(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """The inboxes that the load could not read (R20)."""
    rows = _fetch(connection, _INBOXES_NOT_READ, load_id=load_id)
    return _find(rows, "every inbox was read", "inboxes not read", "code")


def find_held_files(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """The files that wait for an operator, of this load or a former one (R17)."""
    rows = _fetch(connection, _FILES_BY_STATUS, load_id=load_id, status="held")
    return _find(rows, "no file waits for a decision", "files held", "file_id")


def find_refused_files(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """The files that the load refused whole (R16)."""
    rows = _fetch(connection, _FILES_BY_STATUS, load_id=load_id, status="refused")
    return _find(rows, "no file was refused", "files refused", "code")


def find_missing_files(connection: duckdb.DuckDBPyConnection, load_id: int) -> Finding:
    """The organizations that left no debts file by their cut-off (R18)."""
    rows = _fetch(connection, _MISSING, load_id=load_id)
    return _find(rows, "every organization left its file", "files missing", "business_date")


def find_undelivered_files(connection: duckdb.DuckDBPyConnection) -> Finding:
    """The published files that no attempt has delivered (R24)."""
    rows = _fetch(connection, _NOT_DELIVERED)
    return _find(rows, "every file is delivered", "files not delivered", "code")


def _fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, **parameters: str | int
) -> list[dict[str, str]]:
    result = connection.execute(sql, parameters)
    names = [column[0] for column in result.description or []]
    return [
        {name: redact(value, os.environ) for name, value in zip(names, row, strict=True)}
        for row in result.fetchall()
    ]


def _find(rows: list[dict[str, str]], good: str, bad: str, detail: str) -> Finding:
    if not rows:
        return Finding(good, ())
    cases = ", ".join(f"{row['organization_id']} ({row[detail]})" for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""  # noqa: PLR2004
    return Finding(f"{bad}: {cases}{more}", tuple(rows))
