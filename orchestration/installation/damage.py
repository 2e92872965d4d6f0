"""What a machine does to what is kept: damaged files and full disks, each told in one sentence.

What is in the landing area cannot be made anew, the databases can: so nobody is shown what DuckDB,
SQLite or Python say of it, but which file it is and what to do.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home

REPLAY = "`python -m orchestration replay`"
HAVE_AGAIN = (
    "`python -m orchestration restore` has it again if it can be had,"
    " else put it back from a backup"
)
# What DuckDB says, in dbt's words too, of a file that is not whole or is of another version.
_DAMAGED = (
    "Corrupt database file",
    "not a valid DuckDB database file",
    "Could not read enough bytes from file",
    "database file with version number",
    "Failure while replaying WAL file",
)
# What Python, DuckDB and SQLite say, in this order, when nothing more can be written.
_FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "failed to offload data block",
    "database or disk is full",
    "disk I/O error",
)
_FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT)


class DamagedError(ToldError):
    """What is kept is damaged; the message says what, and what to do."""


class DiskFullError(ToldError):
    """Nothing more can be written; what was there before is as it was."""


def damaged_database(path: Path) -> DamagedError:
    """What to say of a database that cannot be read."""
    return DamagedError(
        f"{path} is damaged, or of another version of DuckDB:"
        f" {REPLAY} makes it anew from the landing area"
    )


def full_disk(folder: Path) -> DiskFullError:
    """What to say when nothing more can be written into a folder."""
    megabytes = shutil.disk_usage(folder).free // 1_000_000
    return DiskFullError(
        f"the disk of {folder} takes nothing more ({megabytes} MB are free now):"
        " make room, then say the same again; what was kept before is as it was"
    )


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Have errors that say that a database is damaged name it, and what to do.

    Raises:
        DamagedError: it is damaged.

    """
    try:
        yield
    except duckdb.Error as error:
        if is_of_damage(error):
            raise damaged_database(path) from None
        raise


def is_of_damage(error: BaseException) -> bool:
    """Whether an error says that a file of DuckDB's is not whole, or of another version."""
    return not is_of_full_disk(error) and _says(error, _DAMAGED)


def is_of_full_disk(error: BaseException) -> bool:
    """Whether an error says that nothing more can be written."""
    return _says(error, _FULL) or any(
        isinstance(each, OSError) and each.errno in _FULL_NUMBERS for each in _chain(error)
    )


def explain(error: BaseException, home: Home) -> ToldError | None:
    """What to say of an error in place of it; None if the machine is not its cause.

    Args:
        error: any, with those that it came from.
        home: whose warehouse it is that is damaged, if it is.

    """
    if isinstance(error, ToldError):
        return error
    for each in _chain(error):
        if isinstance(each, DamagedError | DiskFullError):
            return each
    if is_of_full_disk(error):
        return full_disk(home.root)
    return damaged_database(home.warehouse) if is_of_damage(error) else None


def _says(error: BaseException, texts: tuple[str, ...]) -> bool:
    return any(text in str(each) for each in _chain(error) for text in texts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__
