"""Publishing: what analysts read, as a read-only copy that is swapped in one step (R28)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC

import duckdb

from orchestration.home import Home
from orchestration.intake import Clock, utc_now

PUBLISHED = (
    "organizations",
    "debts",
    "debts_history",
    "payments",
    "payments_file_lines",
    "intake_days",
    "refused_event_lines",
    "intake_files",
    "intake_rejections",
    "customers",
    "customers_history",
    "enrollments",
    "campaign_contacts",
    "customer_accounts",
)

# An instant without an offset is UTC, whatever the time zone of the session (R10).
_DEBTS_AS_OF = """
create macro published.main.debts_as_of(instant) as table
    with asked as (
        select
            case
                when regexp_matches(cast(instant as varchar), ':.*([+-][0-9:]+|Z)$')
                    then timezone('UTC', cast(cast(instant as varchar) as timestamptz))
                else cast(cast(instant as varchar) as timestamp)
            end as asked_at
    )
    select history.* exclude (dbt_scd_id, dbt_updated_at, dbt_valid_from, dbt_valid_to)
    from debts_history as history
    cross join asked
    where
        history.dbt_valid_from <= asked.asked_at
        and (history.dbt_valid_to is null or history.dbt_valid_to > asked.asked_at)
"""


def publish(
    connection: duckdb.DuckDBPyConnection, home: Home, clock: Clock = utc_now
) -> dict[str, int]:
    """Copy what analysts read into a new file and put it in the place of the former one.

    A reader that has the former copy open keeps reading it; nobody sees half of one.

    Returns:
        Rows by table.

    """
    part = home.root / f".{uuid.uuid4().hex}.part"
    try:
        connection.execute(f"attach '{_quoted(str(part))}' as published")
        try:
            rows = {table: _copy(connection, table) for table in PUBLISHED}
            connection.execute(_DEBTS_AS_OF)
            connection.execute(
                "create table published.main.published_at as select ?::timestamp as published_at",
                [clock().astimezone(UTC).replace(tzinfo=None)],
            )
            connection.execute("checkpoint published")
        finally:
            connection.execute("detach published")
        with part.open("rb+") as content:
            os.fsync(content.fileno())
        part.replace(home.analytics)
    finally:
        part.unlink(missing_ok=True)
        part.with_name(f"{part.name}.wal").unlink(missing_ok=True)
    return rows


@contextmanager
def reading(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published copy, which no run ever holds; an empty database before the first."""
    if not home.analytics.exists():
        with duckdb.connect() as connection:
            yield connection
        return
    with duckdb.connect(str(home.analytics), read_only=True) as connection:
        yield connection


def _copy(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(
        f"create table published.main.{table} as from main.{table}"  # a name of ours
    ).fetchone()
    return int(row[0]) if row else 0


def _quoted(text: str) -> str:
    return text.replace("'", "''")
