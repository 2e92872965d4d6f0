"""One writer: the lock of a home, held by a run and by the dbt that it starts (R29).

The lock is an flock on `run.lock`. It belongs to whoever has the open file: the process of a run,
however it was started, and the dbt that the run lends it to. A run that is killed leaves its dbt
behind, which still writes; the lock ends with the last of the two.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home

WAIT = "SALDO_LOCK_WAIT_SECONDS"
_DEFAULT_WAIT_SECONDS = 1800.0
_POLL_SECONDS = 0.5
_STANDARD_INPUT = 0

_held: dict[Path, IO[str]] = {}


class WarehouseBusyError(ToldError):
    """Another process holds the warehouse (R29); the message says which."""


def _tell(message: str) -> None:
    sys.stderr.write(f"saldo: {message}\n")


@contextmanager
def exclusive(
    home: Home, *, wait_seconds: float | None = None, say: Callable[[str], None] = _tell
) -> Iterator[None]:
    """Hold a home for one run; a second run says who holds it and waits its turn (R29).

    Within the process that holds it already, this changes nothing.

    Args:
        home: what is held.
        wait_seconds: how long to wait for it; SALDO_LOCK_WAIT_SECONDS or half an hour if left out.
        say: told who holds it, once, when there is something to wait for.

    Raises:
        WarehouseBusyError: another process still held it after that time.

    """
    path = home.root / "run.lock"
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
    """Have the processes started meanwhile hold the lock of a home as long as they live.

    dagster-dbt closes every open file of its dbt but the standard ones, so the lock travels as
    the standard input, which dbt does not read.
    """
    lock = _held.get(home.root / "run.lock")
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


def holder(home: Home) -> str | None:
    """Who holds a home, in words; None if nobody does."""
    path = home.root / "run.lock"
    if not path.exists():
        return None
    with path.open("r", encoding="utf-8") as lock:
        if _try(lock):
            return None
        return _describe(lock)


def _acquire(lock: IO[str], home: Home, wait_seconds: float, say: Callable[[str], None]) -> None:
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
