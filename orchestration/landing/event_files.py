"""Files of events: which of their bytes no load has read, and keeping those (R21).

Files are added to, and nothing else. One whose former bytes are others than those that were read
was rotated, or cut off and begun again: it is a new file under an old name, read from its start.
Events that come again so count once, by their ids. What is no file, or cannot be read, is told and
holds up nobody (R20).

A load hashes all that was read of a file if the file has changed since, and reads nothing of one
that has not: how each was when it was last read to its end is remembered below `tmp/`. That may be
lost: then all are hashed once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestration.installation import whole_files
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import EventRange

_NAME = re.compile(r".*\.jsonl([.-][0-9]+)?", re.DOTALL)
_BLOCK_BYTES = 1 << 20
# A clock of a file system may stand still for as long: what is written then shows no other time.
_CLOCK_GRAIN_SECONDS = 2
# What a code says of a whole file. `file_shrunk` is in manifests of former versions alone.
MESSAGES = {
    "name_not_utf8": "the name of the file is not UTF-8: rename it",
    "not_a_file": "it is no file: a folder, a pipe, a socket or a device",
    "dangling_link": "it is a link that leads to no file",
    "not_readable": "the file cannot be read",
    "file_shrunk": "the file is shorter than what has been read of it",
}


@dataclass(frozen=True)
class Position:
    """How far a file has been read: bytes and lines, and the hash of all these bytes.

    The hash is empty where a version read that did not keep it; such a file is taken as it is.
    """

    byte: int
    lines: int
    prefix_sha256: str = ""


class UnusableError(Exception):
    """An entry of `events/` cannot be read; `code` is one of MESSAGES."""

    def __init__(self, code: str) -> None:
        super().__init__(MESSAGES[code])
        self.code = code


_START = Position(0, 0)


def find(home: Home) -> list[Path]:
    """Whatever is called like a file of events, by name.

    logrotate adds a number or a date to the name of a file that nobody may have read to its end.
    """
    return sorted(path for path in home.events.iterdir() if _NAME.fullmatch(path.name))


def look_at(path: Path) -> os.stat_result | None:
    """The size and time of what a name leads to, else of the link itself; None if it is gone."""
    for follow in (True, False):
        try:
            return path.stat(follow_symlinks=follow)
        except OSError:
            continue
    return None


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A file of events, open.

    Raises:
        UnusableError: it is none, or it cannot be opened.
        FileNotFoundError: it is gone.

    """
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise UnusableError("name_not_utf8") from None
    try:
        # Opening a pipe would wait for whoever writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableError("not_a_file")
        source = path.open("rb")
    except FileNotFoundError:
        if path.is_symlink():
            raise UnusableError("dangling_link") from None
        raise
    except OSError:
        raise UnusableError("not_readable") from None
    with source:
        yield source


def read_all(home: Home) -> Iterator[tuple[Path, BinaryIO]]:
    """Each file of events that can be read, open until the next is asked for."""
    for path in find(home):
        try:
            with reading(path) as source:
                yield path, source
        except (UnusableError, FileNotFoundError):
            continue


def take(home: Home, positions: Mapping[str, Position]) -> list[EventRange]:
    """Keep the whole lines that no load has read; a last line without an end is left.

    Args:
        home: whose `events/`.
        positions: how far each file has been read, by name.

    Returns:
        Where the lines were and are, by file; with a code what cannot be read.

    """
    remembered = _read_memory(home)
    memory: dict[str, list[int | str]] = {}
    ranges = []
    for path in find(home):
        name = path.name
        try:
            with reading(path) as source:
                state, position = os.fstat(source.fileno()), positions.get(name, _START)
                if remembered.get(name) != _as_memory(state, position):
                    event_range = _keep_new_lines(home, source, name, position)
                    if event_range is not None:
                        ranges.append(event_range)
                        position = Position(event_range.to_byte, 0, event_range.prefix_sha256)
                if time.time() > state.st_ctime + _CLOCK_GRAIN_SECONDS:
                    memory[name] = _as_memory(state, position)
        except FileNotFoundError:
            # Renamed since it was listed.
            continue
        except UnusableError as error:
            ranges.append(EventRange(manifests.readable_name(name), 0, 0, 0, code=error.code))
    if memory != remembered:
        whole_files.write_whole(_memory_path(home), json.dumps(memory).encode())
    return ranges


def find_unread(source: BinaryIO, position: Position | None) -> int:
    """From which byte on no load has read a file, of which one knows how far others read it."""
    if position is None or not _is_same(source, position, hashlib.sha256()):
        return 0
    return position.byte


def _keep_new_lines(
    home: Home, source: BinaryIO, name: str, position: Position
) -> EventRange | None:
    """Keep the new lines of a file as a range of the landing area; None if there are none."""
    prefix = hashlib.sha256()
    if not _is_same(source, position, prefix):
        position, prefix = _START, hashlib.sha256()
    end = _end_of_last_line(source, position.byte)
    if end == position.byte:
        return None
    own = hashlib.sha256()
    source.seek(position.byte)
    with store.receiving(home, manifests.EVENTS) as (target, part):
        for block in _blocks(source, end - position.byte):
            own.update(block)
            prefix.update(block)
            target.write(block)
        if target.tell() < end - position.byte:
            # Cut off meanwhile: the next look finds another file.
            return None
        target.flush()
        store.keep(home, manifests.EVENTS, part, own.hexdigest())
    return EventRange(
        name,
        position.byte,
        end,
        position.lines,
        own.hexdigest(),
        prefix_sha256=prefix.hexdigest(),
    )


def _is_same(source: BinaryIO, position: Position, digest: hashlib._Hash) -> bool:
    """Whether a file begins with what was read of it, which goes through `digest`."""
    source.seek(0)
    length = 0
    for block in _blocks(source, position.byte):
        digest.update(block)
        length += len(block)
    return length == position.byte and position.prefix_sha256 in ("", digest.hexdigest())


def _blocks(source: BinaryIO, size: int) -> Iterator[bytes]:
    """The next bytes of a file, as many as there are."""
    while size and (block := _read(source, min(size, _BLOCK_BYTES))):
        yield block
        size -= len(block)


def _read(source: BinaryIO, size: int) -> bytes:
    try:
        return source.read(size)
    except OSError:
        raise UnusableError("not_readable") from None


def _end_of_last_line(source: BinaryIO, start: int) -> int:
    """The byte after the last line end at or behind `start`."""
    position = source.seek(0, os.SEEK_END)
    while position > start:
        block_start = max(start, position - _BLOCK_BYTES)
        source.seek(block_start)
        newline = _read(source, position - block_start).rfind(b"\n")
        if newline >= 0:
            return block_start + newline + 1
        position = block_start
    return start


def _as_memory(state: os.stat_result, position: Position) -> list[int | str]:
    """What is remembered of a file that was read to its last line end."""
    facts = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return [*facts, position.byte, position.prefix_sha256]


def _memory_path(home: Home) -> Path:
    return home.scratch / "events.json"


def _read_memory(home: Home) -> dict[str, list[int | str]]:
    try:
        values = json.loads(_memory_path(home).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
