"""Who may read what is kept: the user that Saldo runs as, and nobody else.

What Saldo's processes make is closed to others by their umask, which is set where this package is
imported. Here is closed what was open before. One choice is left to whoever installs Saldo: where
the home's own mode is 0710, its group may read the published copy, and nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from orchestration.installation.errors import WrongUseError

_OTHERS = 0o077
# The group may go through the folder, but not see what is in it.
_SHARED_FOLDER = 0o710
_SHARED_FILE = 0o640


class ForeignHomeError(WrongUseError):
    """The home, or the group that may read of it, is not this user's."""


def close(root: Path, copy: Path, say: Callable[[str], None]) -> None:
    """Take from a home whatever lets others in, and say so.

    The folder and what is directly in it are looked at each time: nobody reaches what is below
    closed folders. The rest is looked at when one of these is open. What belongs to another user,
    as a file of payment events may, stays as it is.

    Args:
        root: the home.
        copy: the published copy, directly in it.
        say: told how much was open, unless the folder is empty.

    """
    chosen = {root: _SHARED_FOLDER, copy: _SHARED_FILE} if _is_shared(root) else {}

    def is_open(path: Path) -> bool:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # a run that is at work deletes files
            return False
        is_chosen = stat.S_IMODE(mode) == chosen.get(path)
        return bool(mode & _OTHERS) and not stat.S_ISLNK(mode) and not is_chosen

    entries = list(root.iterdir())
    if not any(is_open(path) for path in (root, *entries)):
        return
    count = 0
    # The folder itself comes last, so that a walk that is killed begins anew.
    for path in (*_walk(root), root):
        if is_open(path):
            with suppress(FileNotFoundError, PermissionError):
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
                count += 1
    if entries and count:
        say(
            f"{count} files and folders of {root} were open to other users of this machine and"
            " are closed now"
        )


def let_group_read(file: Path, root: Path) -> None:
    """Let the home's group read a file that is directly in it, if the home's mode says so.

    Raises:
        ForeignHomeError: the user that Saldo runs as is not of that group.

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
