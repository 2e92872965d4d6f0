"""Publish what analysts read as a read-only copy that is swapped in one step (R28)."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb

from orchestration.installation import access, warehouse
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.damage import REPLAY, DamagedError, told_of
from orchestration.installation.databases import settings
from orchestration.installation.home import Home
from orchestration.installation.project_yaml import published_tables
from orchestration.landing import manifests


@dataclass(frozen=True)
class Changing:
    """A large table that changes partly in a day.

    Args:
        key: the column that identifies a row.
        changed_at: an expression for the time of a row's last change; it only grows.

    """

    key: str
    changed_at: str


_CHANGING = {
    "debts": Changing("debt_id", "updated_at"),
    "debts_history": Changing("dbt_scd_id", "coalesce(dbt_valid_to, dbt_valid_from)"),
    "payments": Changing("payment_key", "updated_at"),
    "payment_events": Changing("event_number", "updated_at"),
    "customers": Changing("customer_key", "updated_at"),
    "customers_history": Changing("dbt_scd_id", "coalesce(dbt_valid_to, dbt_valid_from)"),
}

# Tables that change with each delivery; the copy has their state from when it was made.
_CHANGED_BY_DELIVERIES = ("deliveries", "organization_days")


def count_loads_to_carry(connection: duckdb.DuckDBPyConnection, home: Home) -> int:
    """Return how many landed loads have not completed the models.

    While there is one, analysts keep the copy that they have: its tests may still fail, and a
    replay still processes older loads.
    """
    unfinished = warehouse.unfinished_load_id(connection)
    finished = warehouse.last_load_id(connection) if unfinished is None else unfinished - 1
    return max(manifests.last_load_id(home) - finished, 0)


def renew_after_delivery(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Publish again if the copy does not show what the ledger in the warehouse says.

    Args:
        connection: the warehouse.
        home: the installation.

    Raises:
        ForeignHomeError: the home's group cannot be given read access.

    """
    if not count_loads_to_carry(connection, home) and not _shows_deliveries(connection, home):
        publish(connection, home)


def publish(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    clock: Clock = utc_now,
    *,
    is_anew: bool = False,
) -> dict[str, int]:
    """Make a new published copy and replace the old one.

    The new copy starts from the old one and takes over the changed rows. Then every table is
    compared completely with the warehouse. If the old copy is damaged, or of another version of
    DuckDB, the new one starts empty. An open connection keeps reading the old copy; nobody sees a
    partial copy.

    Args:
        connection: the warehouse.
        home: the installation.
        clock: the time.
        is_anew: start with an empty file: deleted rows could still be found in a file.

    Returns:
        Rows by table.

    Raises:
        ForeignHomeError: the home's group cannot be given read access.

    """
    _sweep(home)
    if home.analytics.exists() and not is_anew:
        with suppress(duckdb.Error):
            return _publish(connection, home, clock, home.analytics)
    return _publish(connection, home, clock)


def _publish(
    connection: duckdb.DuckDBPyConnection, home: Home, clock: Clock, former: Path | None = None
) -> dict[str, int]:
    part = home.root / f".{uuid.uuid4().hex}.part"
    try:
        if former is not None:
            shutil.copyfile(former, part)
        connection.execute(f"attach '{_quoted(str(part))}' as published")
        try:
            rows = {table: _bring_up_to_date(connection, table) for table in published_tables()}
            _copy_functions(connection)
            connection.execute(
                "create or replace table published.main.published_at as"
                " select ?::timestamp as published_at",
                [clock().astimezone(UTC).replace(tzinfo=None)],
            )
            connection.execute("checkpoint published")
        finally:
            connection.execute("detach published")
        with part.open("rb+") as content:
            os.fsync(content.fileno())
        access.let_group_read(part, home.root)
        part.replace(home.analytics)
    finally:
        part.unlink(missing_ok=True)
        part.with_name(f"{part.name}.wal").unlink(missing_ok=True)
    return rows


@contextmanager
def reading(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published copy, which no run ever locks; before the first load, an empty database.

    Raises:
        DamagedError: the copy is missing or cannot be read, on opening or later.

    """
    if not home.analytics.exists():
        if manifests.load_ids(home):
            raise DamagedError(f"{home.analytics} is missing: {REPLAY} makes it anew")
        with duckdb.connect(config=settings(home)) as connection:
            yield connection
        return
    with (
        told_of(home.analytics),
        duckdb.connect(str(home.analytics), read_only=True, config=settings(home)) as connection,
    ):
        yield connection


def find_differences(connection: duckdb.DuckDBPyConnection, home: Home) -> list[str]:
    """Return the tables of the published copy that differ from the warehouse.

    Tables that change with deliveries may differ until the next copy is made.

    Args:
        connection: the warehouse; read-only is enough.
        home: the installation.

    Raises:
        DamagedError: the copy cannot be read.

    """
    with told_of(home.analytics):
        connection.execute(f"attach '{_quoted(str(home.analytics))}' as published (read_only)")
        try:
            return [
                table
                for table in published_tables()
                if table not in _CHANGED_BY_DELIVERIES
                and (
                    _columns(connection, "warehouse", table)
                    != _columns(connection, "published", table)
                    or _fingerprint(connection, f"main.{table}")
                    != _fingerprint(connection, f"published.main.{table}")
                )
            ]
        finally:
            connection.execute("detach published")


def _shows_deliveries(connection: duckdb.DuckDBPyConnection, home: Home) -> bool:
    """Whether the copy has the deliveries of the warehouse; not if it is missing or damaged."""
    if not home.analytics.exists():
        return False
    try:
        connection.execute(f"attach '{_quoted(str(home.analytics))}' as published (read_only)")
    except duckdb.Error:
        return False
    try:
        return _fingerprint(connection, "main.deliveries") == _fingerprint(
            connection, "published.main.deliveries"
        )
    except duckdb.Error:
        return False
    finally:
        connection.execute("detach published")


def _sweep(home: Home) -> None:
    """Remove the partial copy of a killed run, with DuckDB's files next to it."""
    for part in home.root.glob(".*.part*"):
        part.unlink(missing_ok=True)


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Make a table of the copy equal to the warehouse; return its number of rows."""
    columns = _columns(connection, "warehouse", table)
    if columns == _columns(connection, "published", table):
        if table in _CHANGING:
            _take_over_changes(connection, table, _CHANGING[table])
        count, content = _fingerprint(connection, f"main.{table}")
        if (count, content) == _fingerprint(connection, f"published.main.{table}"):
            return count
    row = connection.execute(
        f"create or replace table published.main.{table} as from main.{table}"  # a name of ours
    ).fetchone()
    return int(row[0]) if row else 0


def _take_over_changes(
    connection: duckdb.DuckDBPyConnection, table: str, changing: Changing
) -> None:
    """Replace the rows that changed after the newest row of the copy."""
    connection.execute(
        f"create or replace temp table changed as from main.{table}"  # noqa: S608 (names of ours)
        f" where {changing.changed_at} >"
        f" (select max({changing.changed_at}) from published.main.{table})"
    )
    connection.execute(
        f"delete from published.main.{table}"  # noqa: S608 (names of ours)
        f" where {changing.key} in (select {changing.key} from changed)"
    )
    connection.execute(f"insert into published.main.{table} from changed")
    connection.execute("drop table changed")


def _copy_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the copy the functions for analysts: those of tables, and the one of normal ids (R1)."""
    for name, kind, parameters, definition in connection.execute(
        "select function_name, function_type, parameters, macro_definition"
        " from duckdb_functions() where database_name = 'warehouse'"
        " and (function_type = 'table_macro' or function_name = 'normal_id')"
    ).fetchall():
        form = "as table" if kind == "table_macro" else "as"
        connection.execute(
            f"create or replace macro published.main.{name}({', '.join(parameters)})"
            f" {form} {definition}"
        )


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> list[Any]:
    return connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = ? and schema_name = 'main' and table_name = ?"
        " order by column_index",
        [database, table],
    ).fetchall()


def _fingerprint(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    """Return the number of rows of a table, and a hash of them that ignores their order."""
    row = connection.execute(
        f"select count(*), coalesce(sum(hash(content)::hugeint), 0) from {table} as content"  # noqa: S608
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
