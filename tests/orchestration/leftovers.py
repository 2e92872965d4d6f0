"""The folders and disks of a test session, and those that killed sessions left."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_PREFIX = "saldo-tests-"
# What is mounted, a line each, its place second.
_MOUNTED = Path("/proc/self/mounts")
_OURS = re.compile(rf"{_PREFIX}(\d+)-")


def make_folder() -> str:
    """Make a folder whose name has the process that it belongs to."""
    return tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")


def unmount(folder: Path) -> None:
    """Unmount each disk in a folder, also one in which a process still has files open."""
    if not _MOUNTED.exists():
        return
    mounted = [Path(line.split()[1]) for line in _MOUNTED.read_text().splitlines()]
    for place in reversed(mounted):
        if place.is_relative_to(folder):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def sweep(temporary: Path) -> None:
    """Remove what belongs to processes that are gone.

    pytest keeps the folders of its last sessions, for people to look into, and for three days those
    of sessions that were killed: their locks have the process.

    Args:
        temporary: the folder for temporary files.

    """
    for folder in temporary.glob(f"{_PREFIX}*"):
        match = _OURS.match(folder.name)
        if match is not None and not _is_alive(int(match[1])):
            shutil.rmtree(folder, ignore_errors=True)
    for lock in temporary.glob("pytest-of-*/pytest-*/.lock"):
        try:
            process_id = int(lock.read_text())
        except (OSError, ValueError):
            continue
        if not _is_alive(process_id):
            unmount(lock.parent)
            shutil.rmtree(lock.parent, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
