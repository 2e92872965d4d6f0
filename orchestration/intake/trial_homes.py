"""Homes for trials, in the folder of scratch: they hold copies of files, which are about persons.

Each is locked while it is used. What a killed process left is not, and the next one deletes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestration.installation.home import Home

# The names of trials.
LEFT = ("try-*", "check-*")


@contextmanager
def trial_home(home: Home, act: str) -> Iterator[Home]:
    """A home with the contracts of the installation, removed when the block ends.

    Args:
        home: the installation.
        act: what it is for: `try` or `check`.

    """
    sweep(home)
    # Nothing is deleted between its beginning and its lock.
    with _locked(home.scratch, fcntl.LOCK_SH):
        root = Path(tempfile.mkdtemp(prefix=f"{act}-", dir=home.scratch))
        lock = os.open(root, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        trial = Home(root, home.seeds)
        trial.create()
        yield trial
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)


def sweep(home: Home, patterns: Iterable[str] = LEFT, spared: Collection[Path] = ()) -> None:
    """Delete what is in the folder of scratch, but trials that are under way.

    Args:
        home: the installation.
        patterns: of the names to delete.
        spared: what to leave alone.

    """
    with _locked(home.scratch, fcntl.LOCK_EX):
        for path in (path for pattern in patterns for path in home.scratch.glob(pattern)):
            if path in spared:
                continue
            if not path.is_dir():
                path.unlink(missing_ok=True)
                continue
            with (
                suppress(BlockingIOError, FileNotFoundError),
                _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB),
            ):
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)
