"""Files on a server: what a listing says of them, and why one was not received."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from orchestration.servers.errors import SftpError
from orchestration.servers.remote_reading import (
    Attributes,
    as_instant,
)


class StillGrowingError(SftpError):
    """A file changed while it was read: it is left for the next look (R13)."""


class TooLargeError(SftpError):
    """A file has more bytes than it may have (R16)."""


class NameTakenError(SftpError):
    """The name to publish under already holds other bytes (R24)."""


@dataclass(frozen=True)
class RemoteFile:
    """A file in a folder of a server, as it was listed.

    `size` and `modified_at`, which has whole seconds, are None where the server does not give
    them. Of a name that is not UTF-8 the odd bytes are spelled out; such a file cannot be asked
    for.
    """

    name: str
    size: int | None
    modified_at: datetime | None
    is_named_in_utf8: bool = True


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Args:
        files: the regular files, and what the server gives no type of, by name.
        other_names: the names of links and whatever else is no file; folders are left out.
        clock: a time that the server's clock has reached, None if nothing tells: the newest change
            of a folder, whose time no client sets.

    """

    files: tuple[RemoteFile, ...]
    other_names: tuple[str, ...] = ()
    clock: datetime | None = None


@dataclass(frozen=True)
class Download:
    """The bytes that were received whole.

    Args:
        sha256: their hash, in hexadecimal.
        byte_count: how many they are.
        clock: the server's clock as reading set the file's time of access, None if it did not.
        is_taken_away: whether the file was gone once it had been read.

    """

    sha256: str
    byte_count: int
    clock: datetime | None = field(default=None, compare=False)
    is_taken_away: bool = False


def as_remote_file(name: bytes, found: Attributes) -> RemoteFile:
    """A file as a listing has it, under a name that can be shown."""
    shown = name.decode("utf-8", "backslashreplace")
    return RemoteFile(
        shown, found.size, as_instant(found.modified_at), is_named_in_utf8=shown.encode() == name
    )


def may_be_same(one: RemoteFile, other: RemoteFile) -> bool:
    """Whether size and time are the same, as far as both are known."""
    pairs = ((one.size, other.size), (one.modified_at, other.modified_at))
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def partial_name(name: str, sha256: str) -> str:
    """The name of an upload until it is whole."""
    return f".{name}.{sha256[:12]}.part"


def join_path(folder: str, name: str) -> str:
    """The path of a file in a folder of a server."""
    if "/" in name or name in {"", ".", ".."}:
        raise SftpError(
            "invalid_name", "a file name holds no / and is no folder: change the contract's pattern"
        )
    return f"{folder.rstrip('/')}/{name}"
