"""Files on a server: their attributes in a listing, and why one was not received."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestration.servers.errors import SftpError
from orchestration.servers.remote_reading import (
    Attributes,
    as_instant,
)

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class StillGrowingError(SftpError):
    """A file changed while it was read; it is left for the next check (R13)."""


class TooLargeError(SftpError):
    """A file has more bytes than allowed (R16)."""


class NameTakenError(SftpError):
    """The name to publish under already has other bytes (R24)."""


@dataclass(frozen=True)
class RemoteFile:
    """A file in a folder of a server, as listed.

    `size` and `modified_at` (whole seconds) are None where the server does not give them. In a name
    that is not UTF-8, the invalid bytes are escaped; such a file cannot be requested.
    """

    name: str
    size: int | None
    modified_at: datetime | None
    is_named_in_utf8: bool = True

    @property
    def has_time(self) -> bool:
        """Whether the server gives its time; some give 1970 instead of none."""
        return self.modified_at is not None and self.modified_at > _NO_TIME


@dataclass(frozen=True)
class Listing:
    """The content of a folder.

    Args:
        files: the regular files and the entries of unknown type, by name.
        other_names: the names of links and other entries that are not files; without folders.
        clock: a time that the server's clock has reached, or None if unknown. It is the newest
            change of a folder, because clients do not set that time.

    """

    files: tuple[RemoteFile, ...]
    other_names: tuple[str, ...] = ()
    clock: datetime | None = None


@dataclass(frozen=True)
class Download:
    """The result of a complete download.

    Args:
        sha256: the hash of the bytes, in hexadecimal.
        byte_count: the number of bytes.
        clock: the server's clock, taken from the access time that reading set; None if it was not
            set.
        is_taken_away: whether the file was gone after it was read.

    """

    sha256: str
    byte_count: int
    clock: datetime | None = field(default=None, compare=False)
    is_taken_away: bool = False


def as_remote_file(name: bytes, found: Attributes) -> RemoteFile:
    """Make a RemoteFile from a listing; its name is printable."""
    shown = name.decode("utf-8", "backslashreplace")
    return RemoteFile(
        shown, found.size, as_instant(found.modified_at), is_named_in_utf8=shown.encode() == name
    )


def may_be_same(one: RemoteFile, other: RemoteFile) -> bool:
    """Return whether size and time are equal, as far as both are known."""
    pairs = ((one.size, other.size), (one.modified_at, other.modified_at))
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def partial_name(name: str, sha256: str) -> str:
    """Return the temporary name of an upload."""
    return f".{name}.{sha256[:12]}.part"


def join_path(folder: str, name: str) -> str:
    """Return the path of a file in a folder of a server."""
    if "/" in name or name in {"", ".", ".."}:
        raise SftpError(
            "invalid_name", "a file name holds no / and is no folder: change the contract's pattern"
        )
    return f"{folder.rstrip('/')}/{name}"
