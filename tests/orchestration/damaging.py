"""What happens to the file of a database: cut, emptied, overwritten, of another version."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

_BLOCK = 4096
_VERSION = 12
_OTHER_VERSION = 60
_MULTIPLIER = 0xBF58476D1CE4E5B9


def log_path(database: Path) -> Path:
    """The write-ahead log of a database."""
    return database.with_name(f"{database.name}.wal")


def flip(content: bytes, place: int) -> bytes:
    """The same with another byte at a place."""
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def of_another_version(content: bytes) -> bytes:
    """The same, as if another version of DuckDB had written it: its header is whole."""
    header = bytearray(content[:_BLOCK])
    struct.pack_into("<Q", header, _VERSION, _OTHER_VERSION)
    checksum = 5381
    for (number,) in struct.iter_unpack("<Q", header[8:]):
        checksum ^= number * _MULTIPLIER % 2**64
    struct.pack_into("<Q", header, 0, checksum)
    return bytes(header) + content[_BLOCK:]


# Each makes a file of a database unreadable from the first look on.
UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda content: content[: len(content) // 2],
    "of no bytes": lambda _: b"",
    "of zeros": lambda content: bytes(len(content)),
    "zeros at its end": lambda content: content[: len(content) // 2].ljust(len(content), b"\0"),
    "another byte in its header": lambda content: flip(flip(content, _BLOCK + 20), 2 * _BLOCK + 20),
    "of another version": of_another_version,
    "no database": lambda _: b"not a database",
}
