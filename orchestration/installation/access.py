"""File access: only the user that Saldo runs as may read what is kept.

The umask of Saldo's processes, set when this package is imported, protects new files. This module
protects files that were open before. The installer has one choice: if the home's mode is 0710, its
group may read the published copy, and nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orchestration.installation.errors import WrongUseError
from orchestration.installation.messages import Say

_OTHERS = 0o077
# The group may pass through the folder, but not list it.
_SHARED_FOLDER = 0o710
_SHARED_FILE = 0o640
# What git needs to keep the default home's folder in a fresh clone, for dbt alone.
_KEEPER = ".gitkeep"


class ForeignHomeError(WrongUseError):
    """The home belongs to another user, or this user is not in the group that may read it."""


def close(root: Path, copy: Path, say: Say) -> None:
    """Remove the access of others from a home, and report it.

    The folder and its direct entries are checked each time: nobody can reach what is below closed
    folders. The rest is checked if one of these is open. Files of other users, such as files of
    payment events, are left alone.

    Args:
        root: the home.
        copy: the published copy, directly in it.
        say: called with the number of open files, unless the folder is as git has it.

    """
    chosen = {root: _SHARED_FOLDER, copy: _SHARED_FILE} if _is_shared(root) else {}

    def is_open(path: Path) -> bool:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # a running step deletes files
            return False
        is_chosen = stat.S_IMODE(mode) == chosen.get(path)
        return bool(mode & _OTHERS) and not stat.S_ISLNK(mode) and not is_chosen

    entries = list(root.iterdir())
    if not any(is_open(path) for path in (root, *entries)):
        return
    count = 0
    # The folder itself comes last, so that a killed walk starts again.
    for path in (*_walk(root), root):
        if is_open(path):
            with suppress(FileNotFoundError, PermissionError):
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
                count += 1
    if count and any(entry.name != _KEEPER for entry in entries):
        say(
            f"{count} files and folders of {root} were open to other users of this machine and"
            " are closed now"
        )


def let_group_read(file: Path, root: Path) -> None:
    """Let the home's group read a file directly in it, if the home's mode allows it.

    Raises:
        ForeignHomeError: the user that Saldo runs as is not in that group.

    """
    if not _is_shared(root):
        return
    try:
        os.chown(file, -1, root.stat().st_gid)
    except PermissionError:
        raise ForeignHomeError(
            f"the mode of {root} is 0710: its group is to read the published copy. The user that"
            " Saldo runs as is not of that group: add the user to it, or set the mode to 0700"
        ) from None
    file.chmod(_SHARED_FILE)


def _is_shared(root: Path) -> bool:
    return stat.S_IMODE(root.stat().st_mode) == _SHARED_FOLDER


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield Path(folder, name)
