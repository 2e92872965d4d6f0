"""Damaged files and full disks, each reported in one sentence.

The databases can be rebuilt, but the landing area cannot. So the message names the file and what to
do, and does not quote DuckDB, SQLite or Python.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.installation.databases import read_whole, settings
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home

REPLAY = "`python -m orchestration replay`"
PUBLISHES = "`python -m orchestration run` publishes it again"
HAVE_AGAIN = (
    "`python -m orchestration restore` recovers it if the same bytes are kept elsewhere,"
    " else put it back from a backup"
)
# DuckDB's messages, also as quoted by dbt, for a file that is damaged or of another version.
_DAMAGED = (
    "Corrupt database file",
    "not a valid DuckDB database file",
    "Could not read enough bytes from file",
    "database file with version number",
    "Failure while replaying WAL file",
)
# The messages of Python, DuckDB and SQLite, in this order, for a full disk.
_FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "failed to offload data block",
    "database or disk is full",
    "disk I/O error",
)
_FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT)


class DamagedError(ToldError):
    """A kept file is damaged; the message says which, and what to do."""


class DiskFullError(ToldError):
    """The disk is full; everything written before is unchanged."""


def damaged_database(path: Path) -> DamagedError:
    """Return the error for a database that cannot be read."""
    return DamagedError(
        f"{path} is damaged, or of another version of DuckDB:"
        f" {REPLAY} rebuilds it from the landing area"
    )


def damaged_warehouse(home: Home) -> DamagedError:
    """Return the error for that of the writer's databases which cannot be read.

    DuckDB names no file where it finds a damaged block. So the marts are read whole; if all of them
    can be read, it is the warehouse. No connection to them may be open in this process.
    """
    if home.marts.exists():
        try:
            with duckdb.connect(str(home.marts), read_only=True, config=settings(home)) as marts:
                read_whole(marts)
        except duckdb.Error as error:
            # Not of its context, which is the error that is explained here.
            if any(text in str(error) for text in _DAMAGED):
                return damaged_database(home.marts)
    return damaged_database(home.warehouse)


def full_disk(folder: Path) -> DiskFullError:
    """Return the error for a folder whose disk is full."""
    megabytes = shutil.disk_usage(folder).free // 1_000_000
    return DiskFullError(
        f"the disk of {folder} is full ({megabytes} MB are free):"
        " free disk space, then run the command again; what was written before is unchanged"
    )


@contextmanager
def naming_damaged_copy(path: Path) -> Iterator[None]:
    """Turn errors of a damaged published copy into one that names it and says what to do.

    Raises:
        DamagedError: the copy is damaged.

    """
    try:
        yield
    except duckdb.Error as error:
        if is_of_damage(error):
            raise DamagedError(
                f"{path} is damaged, or of another version of DuckDB: {PUBLISHES}"
            ) from None
        raise


def is_of_damage(error: BaseException) -> bool:
    """Return whether an error says that a DuckDB file is damaged or of another version."""
    return not is_of_full_disk(error) and _says(error, _DAMAGED)


def is_of_full_disk(error: BaseException) -> bool:
    """Return whether an error says that the disk is full."""
    return _says(error, _FULL) or any(
        isinstance(each, OSError) and each.errno in _FULL_NUMBERS for each in _chain(error)
    )


def explain(error: BaseException, home: Home) -> ToldError | None:
    """Return the error to report instead; None if the machine is not the cause.

    Args:
        error: any error, with its causes.
        home: the installation whose warehouse may be damaged.

    """
    if isinstance(error, ToldError):
        return error
    for each in _chain(error):
        if isinstance(each, DamagedError | DiskFullError):
            return each
    if is_of_full_disk(error):
        return full_disk(home.root)
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return ToldError(f"{error.filename} is on a disk that is only read: mount it for writing")
    return damaged_warehouse(home) if is_of_damage(error) else None


def _says(error: BaseException, texts: tuple[str, ...]) -> bool:
    return any(text in str(each) for each in _chain(error) for text in texts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__
