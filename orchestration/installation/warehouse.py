"""The warehouse file: open it, create the tables of schema `raw`, and track finished loads."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from orchestration.installation.damage import DamagedError, told_of
from orchestration.installation.databases import settings
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.locking import WarehouseBusyError
from orchestration.installation.project_yaml import raw_tables

# The steps of a run wait equally long.
_READERS_WAIT_SECONDS = 300.0
_THEN_AGAIN = "; wait for it to end, then run again"


class OlderWarehouseError(ToldError):
    """The tables of the warehouse are not those of this version."""


@contextmanager
def connect(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for writing and create missing tables of schema `raw`.

    Raises:
        DamagedError: it cannot be read, on opening or later.
        WarehouseBusyError: another process has it open.

    """
    with told_of(home.warehouse):
        connection = _open(home)
        try:
            create_raw(connection)
            yield connection
        finally:
            connection.close()


def create_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the missing tables of schema `raw`."""
    connection.execute("create schema if not exists raw")
    for name, table in raw_tables().items():
        connection.execute(f"create table if not exists raw.{name} ({table.definition})")


def wait_until_free(home: Home, say: Callable[[str], None]) -> None:
    """Wait until no other process, such as a reader, has the warehouse open (R29).

    Args:
        home: the installation.
        say: called once with the process that has it open, if there is one.

    Raises:
        WarehouseBusyError: a process still has it open after five minutes.
        DamagedError: it cannot be read.

    """
    patience_ends = time.monotonic() + _READERS_WAIT_SECONDS
    has_said = False
    while True:
        try:
            with connect(home):
                return
        except WarehouseBusyError as error:
            if time.monotonic() >= patience_ends:
                raise
            if not has_said:
                held = str(error).removesuffix(_THEN_AGAIN)
                say(f"{held}; waiting for at most {_READERS_WAIT_SECONDS:.0f} seconds")
                has_said = True
        time.sleep(0.5)


def _open(home: Home, *, is_read_only: bool = False) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(
            str(home.warehouse), read_only=is_read_only, config=settings(home)
        )
        connection.execute("set TimeZone = 'UTC'")
    except duckdb.IOException as error:
        holder = re.search(r"PID (\d+)", str(error))
        if holder is None:
            raise
        raise WarehouseBusyError(
            f"{home.warehouse} is held by process {holder[1]}{_THEN_AGAIN}"
        ) from None
    return connection


@contextmanager
def reading(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse read-only.

    Raises:
        DamagedError: it cannot be read, on opening or later.
        WarehouseBusyError: another process has it open.

    """
    with told_of(home.warehouse):
        connection = _open(home, is_read_only=True)
        try:
            yield connection
        finally:
            connection.close()


def peek_numbers(home: Home) -> tuple[int, int]:
    """Return the newest load and the newest batch of the delivery ledger in a warehouse.

    The warehouse may be damaged or missing: a number that cannot be read is 0.
    """
    if home.warehouse.exists():
        with suppress(duckdb.Error, DamagedError, WarehouseBusyError), reading(home) as connection:
            return last_load_id(connection), last_batch_id(connection)
    return 0, 0


def log_path(database: Path) -> Path:
    """Return the path of a database's write-ahead log. The two files belong together."""
    return database.with_name(f"{database.name}.wal")


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, object]]
) -> None:
    """Insert rows into a table of schema `raw` in one statement.

    They are passed as one JSON text: for each value passed separately, DuckDB looks for pandas.

    Args:
        connection: the warehouse.
        table: the name of the table.
        rows: the values by column; other columns are null. An instant with a zone becomes UTC.

    Raises:
        TypeError: a value has a type that `raw` does not have.

    """
    if not rows:
        return
    structure = json.dumps([dict.fromkeys(chain.from_iterable(rows), "varchar")])
    connection.execute(
        f"insert into raw.{table} by name"
        f" select unnest(from_json(?, '{structure}'), recursive := true)",
        [json.dumps(rows, default=_as_text)],
    )


def _as_text(value: object) -> str:
    """Convert a value without a JSON type to text for DuckDB; instants become UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return str(value.astimezone(UTC).replace(tzinfo=None))
    if isinstance(value, date | Decimal):
        return str(value)
    raise TypeError(f"raw holds no {type(value).__name__}")


def read_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query, each as a mapping by column name."""
    result = connection.execute(sql, dict(parameters or {}))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def last_load_id(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the id of the newest load in the warehouse, 0 if it is empty."""
    row = connection.execute("select coalesce(max(load_id), 0) from raw.loads").fetchone()
    return int(row[0]) if row else 0


def last_batch_id(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the newest batch of the delivery ledger in it, or 0."""
    row = connection.execute("select coalesce(max(batch_id), 0) from raw.deliveries").fetchone()
    return int(row[0]) if row else 0


def read_whole(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every row of every table, to find out whether all can be read.

    Raises:
        duckdb.Error: one cannot be read.

    """
    for schema, name in connection.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where not internal and database_name = current_database()"
    ).fetchall():
        connection.execute(
            f'select sum(hash(whole_row)::hugeint) from "{schema}"."{name}" as whole_row'  # noqa: S608 (names of ours)
        )


def last_business_date(connection: duckdb.DuckDBPyConnection) -> date | None:
    """Return the newest business date of a load, or None if the warehouse is empty."""
    row = connection.execute("select max(business_date) from raw.loads").fetchone()
    return row[0] if row else None


def is_built(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the models have been built in it."""
    found = connection.execute(
        "select 1 from information_schema.tables"
        " where table_schema = 'main' and table_name = 'intake_files'"
    ).fetchone()
    return found is not None


def count_rows(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Return the number of rows of each table of the warehouse, by schema and name."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where not internal"
        " and database_name = current_database()"
    ).fetchall()
    row_counts: dict[tuple[str, str], int] = {}
    for schema, name in tables:
        counted = f'select count(*) from "{schema}"."{name}"'  # noqa: S608 (names of ours)
        row = connection.execute(counted).fetchone()
        row_counts[schema, name] = row[0] if row else 0
    return row_counts


def check_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that the tables of `raw` have the columns that this version writes.

    Raises:
        OlderWarehouseError: a column is missing.

    """
    found = set(
        connection.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'raw'"
            " and database_name = current_database()"
        ).fetchall()
    )
    wanted = {
        (name, column.name) for name, table in raw_tables().items() for column in table.columns
    }
    if missing := wanted - found:
        names = ", ".join(sorted(f"raw.{table}.{name}" for table, name in missing))
        raise OlderWarehouseError(
            f"the warehouse is of an older version, without {names}:"
            " `python -m orchestration replay` makes it anew from the landing area"
        )


def unfinished_load_id(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the load that is in `raw` but did not complete the models, if any."""
    row = connection.execute(
        "select min(load_id) from raw.loads where finished_at is null"
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def finish_load(connection: duckdb.DuckDBPyConnection, load_id: int) -> None:
    """Record that all models and tests have processed this load."""
    connection.execute(
        "update raw.loads set finished_at = loaded_at where load_id = ? and finished_at is null",
        [load_id],
    )
