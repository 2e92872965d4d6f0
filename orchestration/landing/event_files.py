"""Files of events: find the bytes that no load has read, and keep them (R21).

Files only grow. If the bytes that were read before have changed, the file was rotated, or truncated
and started again: it is a new file under an old name, and is read from its start. Events that are
read again count once, by their ids. An entry that is not a file of events, or cannot be read, is
reported and does not block the others (R20).

When a file has changed since the last load, the load hashes everything that was read of it before.
It reads nothing of a file that has not changed: `tmp/` remembers the state of each file when it was
last read to its end. This memory may be lost; then all files are hashed once.
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

from orchestration.contracts.file_names import find_partial_ending
from orchestration.installation import whole_files
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import EventRange

# Programs that rotate files add a number, a date or a time to the name of a file that may not have
# been read to its end.
_NAME = re.compile(
    r".*\.jsonl([._-][0-9]+([T:._-][0-9]+)*Z?)?", re.ASCII | re.DOTALL | re.IGNORECASE
)
_BLOCK_BYTES = 1 << 20
# The clock of a file system may stand still for this long: later writes can have the same time.
_CLOCK_GRAIN_SECONDS = 2
# A last line without a line end is being written; after this long, nobody goes on with it.
_LINE_IS_LEFT_AFTER_SECONDS = 3600
# The message for each code of a whole file. Only manifests of older versions have `file_shrunk`.
MESSAGES = {
    "name_not_utf8": "the name of the file is not UTF-8: rename it",
    "not_an_event_file": (
        "its name does not end in .jsonl, so it is not read: rename it if it holds lines of events,"
        " unpacked if it is compressed, else take it out of the folder"
    ),
    "not_a_file": "it is no file: a folder, a pipe, a socket or a device",
    "dangling_link": "it is a link that leads to no file",
    "not_readable": "the file cannot be read",
    "unended_line": "its last line has no line end and is not read: write one after it",
    "file_shrunk": "the file is shorter than what has been read of it",
}


@dataclass(frozen=True)
class Position:
    """How far a file has been read: bytes, lines, and the hash of all these bytes.

    The hash is empty if a version that did not keep it read the file; then it is not compared.
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
    """Find the files of events by name, and all other entries that somebody must look at.

    Those are neither hidden nor still being written.
    """
    return sorted(
        path
        for path in home.events.iterdir()
        if is_named_as_one(path) or not _is_passed_over(path.name)
    )


def is_named_as_one(path: Path) -> bool:
    """Return whether an entry has a name of a file of events."""
    return _NAME.fullmatch(path.name) is not None


def _is_passed_over(name: str) -> bool:
    is_being_written = name.endswith("~") or find_partial_ending(name) != ""
    return name.startswith(".") or is_being_written or name == "lost+found"


def look_at(path: Path) -> os.stat_result | None:
    """Return the state of the target of a name, else of the link itself, or None if it is gone."""
    for follow in (True, False):
        try:
            return path.stat(follow_symlinks=follow)
        except OSError:
            continue
    return None


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file of events.

    Raises:
        UnusableError: its name is not one of an event file, it is not a file, or cannot be opened.
        FileNotFoundError: it is gone.

    """
    if not _NAME.fullmatch(path.name):
        raise UnusableError("not_an_event_file")
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise UnusableError("name_not_utf8") from None
    try:
        # Opening a pipe would wait for a writer.
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
    """Yield each readable file of events; it stays open until the next one is requested."""
    for path in find(home):
        try:
            with reading(path) as source:
                yield path, source
        except (UnusableError, FileNotFoundError):
            continue


def take(home: Home, positions: Mapping[str, Position]) -> list[EventRange]:
    """Keep the whole lines that no load has read; a last line without a line end is left.

    If nobody goes on with that line, it is reported: its event would be missing in silence.

    Args:
        home: the installation with the `events/` folder.
        positions: how far each file has been read, by name.

    Returns:
        The kept ranges by file; an entry that cannot be read, or not to its end, has a code.

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
                if _is_left_unended(source, state):
                    ranges.append(EventRange(name, 0, 0, 0, code="unended_line"))
        except FileNotFoundError:
            # Renamed since it was listed.
            continue
        except UnusableError as error:
            ranges.append(EventRange(manifests.readable_name(name), 0, 0, 0, code=error.code))
    if memory != remembered:
        whole_files.write_whole(_memory_path(home), json.dumps(memory).encode())
    return ranges


def find_unread(source: BinaryIO, position: Position | None) -> int:
    """Return the first byte that no load has read, given the position that loads have reached."""
    if position is None or not _is_same(source, position, hashlib.sha256()):
        return 0
    return position.byte


def _keep_new_lines(
    home: Home, source: BinaryIO, name: str, position: Position
) -> EventRange | None:
    """Keep the new lines of a file as a range in the landing area; None if there are none."""
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
            # Truncated in the meantime: the next check finds another file.
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
    """Return whether a file starts with the bytes read before; updates `digest` with them."""
    source.seek(0)
    length = 0
    for block in _blocks(source, position.byte):
        digest.update(block)
        length += len(block)
    return length == position.byte and position.prefix_sha256 in ("", digest.hexdigest())


def _blocks(source: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the next bytes of a file, at most `size`."""
    while size and (block := _read(source, min(size, _BLOCK_BYTES))):
        yield block
        size -= len(block)


def _read(source: BinaryIO, size: int) -> bytes:
    try:
        return source.read(size)
    except OSError:
        raise UnusableError("not_readable") from None


def _end_of_last_line(source: BinaryIO, start: int) -> int:
    """Return the position after the last line end at or after `start`."""
    position = source.seek(0, os.SEEK_END)
    while position > start:
        block_start = max(start, position - _BLOCK_BYTES)
        source.seek(block_start)
        newline = _read(source, position - block_start).rfind(b"\n")
        if newline >= 0:
            return block_start + newline + 1
        position = block_start
    return start


def _is_left_unended(source: BinaryIO, state: os.stat_result) -> bool:
    """Return whether the last line of a file has had no line end for long."""
    if not state.st_size or time.time() < state.st_mtime + _LINE_IS_LEFT_AFTER_SECONDS:
        return False
    source.seek(state.st_size - 1)
    return _read(source, 1) not in (b"\n", b"")


def _as_memory(state: os.stat_result, position: Position) -> list[int | str]:
    """Return what is remembered of a file that was read to its last line end."""
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
