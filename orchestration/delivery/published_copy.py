"""Publish what analysts read as a read-only copy that is swapped in one step (R28).

The copy is a copy of the file of the marts, made while nobody writes to it. Marts that change with
each delivery are views in the warehouse; the copy gets them as tables.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import duckdb

from orchestration.installation import access, databases, warehouse
from orchestration.installation.clock import Clock, naive_utc, utc_now
from orchestration.installation.damage import DamagedError, naming_damaged_copy
from orchestration.installation.databases import (
    Connection,
    files_of,
    fingerprint,
    quoted,
    read_value,
    settings,
)
from orchestration.installation.home import Home
from orchestration.installation.locking import WarehouseBusyError
from orchestration.installation.project_yaml import published_tables
from orchestration.landing import manifests

# Marts that are views in the warehouse. The copy has their state from when it was made.
CHANGED_BY_DELIVERIES = ("deliveries", "organization_days")

# What a system or a file system says that cannot copy a file by itself.
_COPIES_NOTHING = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP)
_MOST_BYTES_AT_ONCE = 1 << 30
# The folders of readers for what memory does not hold.
_SCRATCH = "reading_"
_SECONDS_OF_A_READER = 86_400
# Of the memory that the writer may have, as several pages may be read beside a run.
_SHARE_OF_A_READER = 0.25


def count_loads_to_carry(connection: Connection, home: Home) -> int:
    """Return how many landed loads have not completed the models.

    While there is one, analysts keep the copy that they have: its tests may still fail, and a
    replay still processes older loads.
    """
    unfinished = warehouse.unfinished_load_id(connection)
    finished = warehouse.last_load_id(connection) if unfinished is None else unfinished - 1
    return max(manifests.last_load_id(home) - finished, 0)


def renew_after_delivery(connection: Connection, home: Home) -> None:
    """Publish again if the copy does not show what the ledger in the warehouse says.

    Args:
        connection: the warehouse.
        home: the installation.

    Raises:
        ForeignHomeError: the home's group cannot be given read access.
        WarehouseBusyError: another process has the marts open.

    """
    if not count_loads_to_carry(connection, home) and not _shows_deliveries(connection, home):
        publish(connection, home)


def publish(connection: Connection, home: Home, clock: Clock = utc_now) -> dict[str, int]:
    """Make a new published copy and replace the old one.

    An open connection keeps reading the old copy; nobody sees a partial copy.

    Args:
        connection: the warehouse; nothing else in this process has the marts open.
        home: the installation.
        clock: the time.

    Returns:
        Rows by table.

    Raises:
        ForeignHomeError: the home's group cannot be given read access.
        WarehouseBusyError: another process has the marts open.

    """
    _sweep(home)
    part = home.root / f".{uuid.uuid4().hex}.part"
    try:
        connection.execute("checkpoint marts")
        with warehouse.marts_closed(connection, home):
            _copy_marts(home, part)
        connection.execute(f"attach {quoted(part)} as published")
        try:
            rows = _complete(connection, clock)
            connection.execute("checkpoint published")
        finally:
            connection.execute("detach published")
        with part.open("rb+") as content:
            os.fsync(content.fileno())
        access.let_group_read(part, home.root)
        part.replace(home.analytics)
    finally:
        databases.delete(part)
    return rows


def _copy_marts(home: Home, part: Path) -> None:
    """Copy the file of the marts while nobody writes to it: DuckDB respects this lock.

    The lock would end if this process had the file open elsewhere and closed it there.

    Raises:
        WarehouseBusyError: another process has it open for writing, or has written to it since.

    """
    with home.marts.open("rb") as source, part.open("xb") as target:
        busy = WarehouseBusyError(
            f"another process writes to {home.marts}; wait for it to end, then run again"
        )
        try:
            fcntl.lockf(source, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        if files_of(home.marts) != [home.marts]:
            raise busy
        _copy(source, target)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a file; where the file system can, both share their blocks."""
    try:
        while os.copy_file_range(source.fileno(), target.fileno(), _MOST_BYTES_AT_ONCE):
            pass
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _COPIES_NOTHING:
            raise
    # The rest, which some file systems leave, or all of it.
    shutil.copyfileobj(source, target)


def _complete(connection: Connection, clock: Clock) -> dict[str, int]:
    """Make of a copy of the marts what is published, and nothing else; return rows by table."""
    for kind in ("table", "view"):
        for schema, name in connection.execute(
            f"select schema_name, {kind}_name from duckdb_{kind}s()"  # noqa: S608 (names of ours)
            " where database_name = 'published' and not internal"
        ).fetchall():
            is_published = (schema, kind) == ("main", "table") and name in published_tables()
            if not is_published or name in CHANGED_BY_DELIVERIES:
                connection.execute(f'drop {kind} published."{schema}"."{name}"')
    for table in CHANGED_BY_DELIVERIES:
        connection.execute(f"create table published.main.{table} as from warehouse.main.{table}")
    connection.execute(
        "create table published.main.published_at as select ?::timestamp as published_at",
        [naive_utc(clock())],
    )
    return {
        table: read_value(connection, f"select count(*) from published.main.{table}")  # noqa: S608 (names of ours)
        for table in published_tables()
    }


@contextmanager
def reading(home: Home) -> Iterator[Connection]:
    """Open the published copy, which no run ever locks; before the first load, an empty database.

    It is attached to a database of its own: DuckDB would give all connections of this process to
    one path the copy that the first of them opened, until none of them is open. Each has a quarter
    of SALDO_MEMORY_LIMIT.

    Raises:
        DamagedError: the copy is missing or cannot be read, on opening or later.

    """
    if not home.analytics.exists():
        if manifests.load_ids(home):
            raise DamagedError(
                f"{home.analytics} is missing: nothing has been published yet, or it was lost;"
                " `python -m orchestration run` publishes it"
            )
        with duckdb.connect(config=settings(home)) as connection:
            yield connection
        return
    # Two databases that spill into one folder overwrite what the other has there. DuckDB makes this
    # one when it needs it, and removes it.
    scratch = home.scratch / f"{_SCRATCH}{uuid.uuid4().hex}"
    config = {**settings(home), "temp_directory": str(scratch)}
    with naming_damaged_copy(home.analytics), duckdb.connect(config=config) as connection:
        limit, unit = read_value(connection, "select current_setting('memory_limit')").split()
        connection.execute(f"set memory_limit = '{float(limit) * _SHARE_OF_A_READER}{unit}'")
        connection.execute(f"attach {quoted(home.analytics)} as published (read_only)")
        connection.execute("use published")
        yield connection


def find_differences(connection: Connection, home: Home) -> list[str]:
    """Return the tables of the published copy that differ from the warehouse.

    Tables that change with deliveries may differ until the next copy is made.

    Args:
        connection: the warehouse; read-only is enough.
        home: the installation.

    Raises:
        DamagedError: the copy cannot be read.

    """
    with naming_damaged_copy(home.analytics):
        connection.execute(f"attach {quoted(home.analytics)} as published (read_only)")
        try:
            return [
                table
                for table in published_tables()
                if table not in CHANGED_BY_DELIVERIES
                and (
                    _columns(connection, "marts", table) != _columns(connection, "published", table)
                    or fingerprint(connection, f"marts.main.{table}")
                    != fingerprint(connection, f"published.main.{table}")
                )
            ]
        finally:
            connection.execute("detach published")


def _shows_deliveries(connection: Connection, home: Home) -> bool:
    """Whether the copy has the deliveries of the warehouse; not if it is missing or damaged."""
    if not home.analytics.exists():
        return False
    try:
        connection.execute(f"attach {quoted(home.analytics)} as published (read_only)")
    except duckdb.Error:
        return False
    try:
        return fingerprint(connection, "warehouse.main.deliveries") == fingerprint(
            connection, "published.main.deliveries"
        )
    except duckdb.Error:
        return False
    finally:
        connection.execute("detach published")


def _sweep(home: Home) -> None:
    """Remove the partial copy of a killed run, and what killed readers spilled a day ago."""
    for part in home.root.glob(".*.part*"):
        part.unlink(missing_ok=True)
    for scratch in home.scratch.glob(f"{_SCRATCH}*"):
        with suppress(FileNotFoundError):
            if time.time() - scratch.stat().st_mtime > _SECONDS_OF_A_READER:
                shutil.rmtree(scratch)


def _columns(connection: Connection, database: str, table: str) -> list[Any]:
    return connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = ? and schema_name = 'main' and table_name = ?"
        " order by column_index",
        [database, table],
    ).fetchall()
