"""One writer: the lock of a home, held by a run and by the dbt that it starts (R29).

The lock is an flock on `run.lock`. Every process with the open file holds it: the process of a run,
however it was started, and the dbt process that inherits it. A killed run may leave a dbt that
still writes. The lock ends when the last of the two ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.messages import Say, warn_operator

WAIT = "SALDO_LOCK_WAIT_SECONDS"
_DEFAULT_WAIT_SECONDS = 1800.0
_POLL_SECONDS = 0.5
_LOCK = "run.lock"
_STANDARD_INPUT = 0

_held: dict[Path, IO[str]] = {}


class WarehouseBusyError(ToldError):
    """Another process holds the warehouse (R29); the message names it."""


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other threads and processes waiting that lock the same folder; make it if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


@contextmanager
def exclusive(
    home: Home, *, wait_seconds: float | None = None, say: Say = warn_operator
) -> Iterator[None]:
    """Hold a home for one run; a second run reports the holder and waits (R29).

    Does nothing in a process that already holds it.

    Args:
        home: the installation.
        wait_seconds: how long to wait; None means SALDO_LOCK_WAIT_SECONDS, or half an hour.
        say: called once with the holder, if the lock is taken.

    Raises:
        WarehouseBusyError: another process still held it after that time.

    """
    path = home.root / _LOCK
    if path in _held:
        yield
        return
    if wait_seconds is None:
        wait_seconds = float(os.environ.get(WAIT, _DEFAULT_WAIT_SECONDS))
    with path.open("a+", encoding="utf-8") as lock:
        _acquire(lock, home, wait_seconds, say)
        lock.truncate(0)
        lock.write(
            f"process {os.getpid()}, at work since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        lock.flush()
        _held[path] = lock
        try:
            yield
        finally:
            del _held[path]


@contextmanager
def lent_to_children(home: Home) -> Iterator[None]:
    """Let processes started in this context hold the lock of a home as long as they live.

    dagster-dbt closes every open file of its dbt except the standard ones. So the lock is passed as
    the standard input, which dbt does not read.
    """
    lock = _held.get(home.root / _LOCK)
    if lock is None:
        yield
        return
    former = os.dup(_STANDARD_INPUT)
    os.dup2(lock.fileno(), _STANDARD_INPUT)
    try:
        yield
    finally:
        os.dup2(former, _STANDARD_INPUT)
        os.close(former)


def empty(home: Home) -> None:
    """Delete all that is in a home but its lock, which the caller holds. Links are not followed."""
    for path in home.root.iterdir():
        if path.name == _LOCK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def holder(home: Home) -> str | None:
    """Describe the process that holds a home, or return None."""
    path = home.root / _LOCK
    if not path.exists():
        return None
    with path.open("r", encoding="utf-8") as lock:
        if _try(lock):
            return None
        return _describe(lock)


def _acquire(lock: IO[str], home: Home, wait_seconds: float, say: Say) -> None:
    patience_ends = time.monotonic() + wait_seconds
    has_said = False
    while not _try(lock):
        held_by = f"{home.root} is held by {_describe(lock)}"
        if time.monotonic() >= patience_ends:
            raise WarehouseBusyError(f"{held_by}; wait for it to end, then run again")
        if not has_said:
            say(f"{held_by}; waiting for at most {wait_seconds:.0f} seconds")
            has_said = True
        time.sleep(_POLL_SECONDS)


def _try(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _describe(lock: IO[str]) -> str:
    lock.seek(0)
    said = lock.read().strip()
    if not said:
        return "another process"
    number = said.removeprefix("process ").partition(",")[0]
    if number.isdigit() and not _is_alive(int(number)):
        return f"the dbt that process {number} left behind when it was killed"
    return said


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
