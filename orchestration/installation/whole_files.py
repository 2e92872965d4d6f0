"""Write files atomically: whole or absent, even if the machine stops; and hash whole files."""

from __future__ import annotations

import hashlib
import os
from mmap import mmap
from pathlib import Path

# The bytes of a file: in memory, or on the disk.
Content = bytes | mmap


def write_whole(path: Path, content: Content, mode: int = 0o666) -> None:
    """Write a file under a temporary name, sync it, rename it, sync its folder.

    Args:
        path: the file.
        content: all of it.
        mode: its permissions, less the process's umask.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    part.replace(path)
    sync_folder(path.parent)


def hash_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Sync a folder, so that its names survive a crash."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
