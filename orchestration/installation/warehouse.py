"""The warehouse: open its two files, create the tables of schema `raw`, and track finished loads.

`warehouse.duckdb` has what landed and the models between that and the marts. `marts.duckdb`, the
database `marts`, has the tables that are published. Names without a database are looked up in both.
A transaction writes to one of them only.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from orchestration.installation import databases, row_views
from orchestration.installation.clock import naive_utc
from orchestration.installation.damage import REPLAY, DamagedError, damaged_warehouse, is_of_damage
from orchestration.installation.databases import Connection, quoted, read_value, settings
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.locking import WarehouseBusyError
from orchestration.installation.messages import Say
from orchestration.installation.project_yaml import raw_tables

# The steps of a run wait equally long.
_READERS_WAIT_SECONDS = 300.0
_THEN_AGAIN = "; wait for it to end, then run again"
# Where names without a database are looked up; as in profiles.yml.
SEARCHED = "warehouse.main,marts.main"
# The load whose marts these are, and the id of the warehouse that they were made with.
_STAMP = "marts.main.finished_load"
# A random id, of a warehouse from when it is made.
_ID = "warehouse.main.warehouse_id"
# What is noted beside the tables that dbt makes: these, what stands, the engine of the models.
NOTES = ("main.finished_load", "main.warehouse_id", "main.built", "main.engine")


class OlderWarehouseError(ToldError):
    """The tables of the warehouse are not those of this version."""


@contextmanager
def connect(home: Home) -> Iterator[Connection]:
    """Open the warehouse for writing and create missing tables of schema `raw`.

    Raises:
        DamagedError: a file of it cannot be read, on opening or later, or the marts are missing or
            those of another load or warehouse.
        WarehouseBusyError: another process has it open.

    """
    with _opened(home, is_read_only=False) as connection:
        create_raw(connection)
        check_together(connection, home)
        _identify(connection)
        yield connection


def create_raw(connection: Connection) -> None:
    """Create the missing tables and views of schema `raw`."""
    connection.execute("create schema if not exists raw")
    for name, table in raw_tables().items():
        if not table.is_in_files:
            connection.execute(f"create table if not exists raw.{name} ({table.definition})")
    row_views.show_missing(connection)


def wait_until_free(home: Home, say: Say) -> None:
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


@contextmanager
def _opened(home: Home, *, is_read_only: bool) -> Iterator[Connection]:
    row_views.check_home(home.root)
    try:
        if not is_read_only and not home.warehouse.exists():
            _forget_rest(home)
        with _naming_the_holder(home.warehouse):
            connection = duckdb.connect(
                str(home.warehouse), read_only=is_read_only, config=settings(home)
            )
        try:
            connection.execute("set TimeZone = 'UTC'")
            if not home.marts.exists() and (is_read_only or _max_load_id(connection)):
                raise DamagedError(f"{home.marts} is missing: {REPLAY} rebuilds it")
            _attach_marts(connection, home, " (read_only)" if is_read_only else "")
            yield connection
        finally:
            connection.close()
    except duckdb.Error as error:
        if is_of_damage(error):
            raise damaged_warehouse(home) from None
        raise


def _attach_marts(connection: Connection, home: Home, options: str = "") -> None:
    with _naming_the_holder(home.marts):
        connection.execute(f"attach {quoted(home.marts)} as marts{options}")
    connection.execute(f"set search_path = '{SEARCHED}'")


@contextmanager
def marts_closed(connection: Connection, home: Home) -> Iterator[None]:
    """Close the file of the marts meanwhile, and let go of its lock; the warehouse stays open.

    Raises:
        WarehouseBusyError: another process has opened it meanwhile.

    """
    connection.execute("set search_path = 'warehouse.main'")
    connection.execute("detach marts")
    try:
        yield
    finally:
        _attach_marts(connection, home)


@contextmanager
def _naming_the_holder(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as error:
        holder = re.search(r"PID (\d+)", str(error))
        if holder is None:
            raise
        raise WarehouseBusyError(f"{path} is held by process {holder[1]}{_THEN_AGAIN}") from None


def reading(home: Home) -> AbstractContextManager[Connection]:
    """Open the warehouse read-only.

    Raises:
        DamagedError: a file of it cannot be read, on opening or later, or the marts are missing.
        WarehouseBusyError: another process has it open.

    """
    return _opened(home, is_read_only=True)


def reading_raw(home: Home) -> Connection:
    """Open what landed read-only, without the marts, which may be damaged or missing.

    Raises:
        duckdb.Error: it cannot be read, or another process has it open.

    """
    return duckdb.connect(str(home.warehouse), read_only=True, config=settings(home))


def writing_raw(home: Home) -> Connection:
    """Open the same for writing; its errors are those of reading_raw."""
    return duckdb.connect(str(home.warehouse), config=settings(home))


def _forget_rest(home: Home) -> None:
    """Set aside the marts of a warehouse that is gone: the models would add to them (R10)."""
    databases.delete(home.warehouse)
    databases.move(home.marts, home.set_aside[home.marts])


def peek_numbers(home: Home) -> tuple[int, int]:
    """Return the newest load and the newest batch of the delivery ledger in a warehouse.

    The warehouse may be damaged or missing: a number that cannot be read is 0.
    """
    if home.warehouse.exists():
        with suppress(duckdb.Error), reading_raw(home) as connection:
            return last_load_id(connection), last_batch_id(connection)
    return 0, 0


def insert(connection: Connection, table: str, rows: Sequence[Mapping[str, object]]) -> None:
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
        return str(naive_utc(value))
    if isinstance(value, date | Decimal):
        return str(value)
    raise TypeError(f"raw holds no {type(value).__name__}")


def read_rows(
    connection: Connection, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query, each as a mapping by column name."""
    result = connection.execute(sql, dict(parameters or {}))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def last_load_id(connection: Connection) -> int:
    """Return the id of the newest load in the warehouse, 0 if it is empty."""
    return int(read_value(connection, "select coalesce(max(load_id), 0) from raw.loads"))


def last_batch_id(connection: Connection) -> int:
    """Return the number of the newest batch of the delivery ledger in it, or 0."""
    return int(read_value(connection, "select coalesce(max(batch_id), 0) from raw.deliveries"))


def last_business_date(connection: Connection) -> date | None:
    """Return the newest business date of a load, or None if the warehouse is empty."""
    newest: date | None = read_value(connection, "select max(business_date) from raw.loads")
    return newest


def is_built(connection: Connection) -> bool:
    """Return whether the models have been built in it."""
    found = connection.execute(
        "select 1 from information_schema.tables"
        " where table_schema = 'main' and table_name = 'intake_files'"
    ).fetchone()
    return found is not None


def check_raw(connection: Connection) -> None:
    """Check that the tables of `raw` have the columns that this version writes.

    Raises:
        OlderWarehouseError: a column is missing, or rows of files are in the warehouse.

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
        raise _older(f"without {names}")
    if with_rows := row_views.find_tables(connection):
        names = ", ".join(f"raw.{table}" for table in with_rows)
        raise _older(f"with the rows of files in {names}")


def _older(how: str) -> OlderWarehouseError:
    return OlderWarehouseError(
        f"the warehouse is of an older version, {how}:"
        " `python -m orchestration replay` rebuilds it from the landing area"
    )


def is_any_load_finished(connection: Connection) -> bool:
    """Return whether a load has been carried through the models."""
    sql = "select exists (select 1 from raw.loads where finished_at is not null)"
    return bool(read_value(connection, sql))


def unfinished_load_id(connection: Connection) -> int | None:
    """Return the load that is in `raw` but did not complete the models, if any."""
    sql = "select min(load_id) from raw.loads where finished_at is null"
    first: int | None = read_value(connection, sql)
    return first


def check_together(connection: Connection, home: Home) -> None:
    """Check that the marts are those of this warehouse: that no former or later file is in place.

    A replay or an erasure may have ended with the load that they are of; the id tells them apart.
    dbt alone does the same (macros/marts.sql).

    Raises:
        DamagedError: they are of another load or warehouse.

    """
    load_id, warehouse_id = _read_stamp(connection)
    is_of_load = load_id in (
        _max_load_id(connection, "finished_at is not null"),
        # What a run leaves that was killed between the two writes of finish_load.
        unfinished_load_id(connection),
    )
    is_of_warehouse = warehouse_id == _read_id(connection) or not _max_load_id(connection)
    if not is_of_load or not is_of_warehouse:
        raise DamagedError(
            f"{home.marts} and {home.warehouse.name} are not of the same load:"
            f" {REPLAY} rebuilds both"
        )


def _max_load_id(connection: Connection, condition: str = "true") -> int:
    """Return the newest load of which a condition holds, 0 if there is none."""
    with suppress(duckdb.CatalogException):  # dbt alone has not made the tables of `raw` yet
        sql = f"select coalesce(max(load_id), 0) from raw.loads where {condition}"  # noqa: S608 (a condition of ours)
        return int(read_value(connection, sql))
    return 0


def _identify(connection: Connection) -> None:
    """Give a new warehouse its id, and then its marts.

    What a kill leaves between the two writes is mended by the next, as there is no load yet. A
    warehouse of a former version may have some: then it is told as one with other marts.
    """
    if _read_id(connection) is None:
        connection.execute(f"create table {_ID} as select uuid() as warehouse_id")
    load_id, warehouse_id = _read_stamp(connection)
    if warehouse_id != _read_id(connection):
        _stamp(connection, load_id)


def _stamp(connection: Connection, load_id: int) -> None:
    connection.execute(
        f"create or replace table {_STAMP} as"  # noqa: S608 (names of ours)
        f" select {load_id}::bigint as load_id, warehouse_id from {_ID}"
    )


def _read_stamp(connection: Connection) -> tuple[int, UUID | None]:
    """Return what the marts are of: load 0 if they are of none, no id in a former version."""
    row = _read_row(connection, _STAMP) or (0,)
    return row[0], row[1] if len(row) > 1 else None


def _read_id(connection: Connection) -> UUID | None:
    row = _read_row(connection, _ID)
    return row[0] if row else None


def _read_row(connection: Connection, table: str) -> tuple[Any, ...] | None:
    """Return the row of a table that has one; none if there is no table yet."""
    with suppress(duckdb.CatalogException):
        return connection.execute(f"from {table}").fetchone()
    return None


def finish_load(connection: Connection, load_id: int) -> None:
    """Record that all models and tests have processed this load: in the marts, then in `raw`."""
    _stamp(connection, load_id)
    connection.execute(
        "update raw.loads set finished_at = loaded_at where load_id = ? and finished_at is null",
        [load_id],
    )
