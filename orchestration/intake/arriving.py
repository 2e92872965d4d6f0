"""Files in transfer: read from an inbox, but not yet named by a load (R13, R29).

Some mailboxes give a file only once. So a note is written before a file is read, and stays until a
manifest names the file. If a run or a check was killed, or the server broke off, the next run lands
the file if the inbox no longer has it. A file that is incomplete then is reported.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from orchestration.contracts import file_names
from orchestration.installation import whole_files
from orchestration.installation.clock import utc_now
from orchestration.installation.home import Home
from orchestration.installation.locking import one_at_a_time
from orchestration.installation.redaction import redact
from orchestration.landing import store
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import (
    Download,
    RemoteFile,
    StillGrowingError,
    may_be_same,
)
from orchestration.servers.ssh import MAY_HEAL

# How long an incomplete file is reported: an organization may never send it again.
_REPORTED_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Arriving:
    """A file that is, or was, in transfer.

    Args:
        note: the path of its note.
        remote: the file, as the inbox listed it.
        received_at: when its transfer began.
        is_taken_away: whether the inbox removes what was read: this file or, during the transfer,
            the file before it.
        sha256: the hash of its bytes; None during the transfer.
        byte_count: the number of its bytes; None during the transfer.
        is_read_to_end: whether the transfer failed only after the last byte.
        reported_at: when it was first reported as incomplete; None if it was not.

    """

    note: Path
    remote: RemoteFile
    received_at: datetime
    is_taken_away: bool = False
    sha256: str | None = None
    byte_count: int = 0
    is_read_to_end: bool = False
    reported_at: datetime | None = None

    @property
    def part(self) -> Path:
        """The path of its bytes until the landing area has them."""
        return self.note.with_suffix(".part")

    def forget(self) -> None:
        """Delete the note, and bytes that are not in the landing area."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@contextmanager
def receiving(
    home: Home, organization_id: str, remote: RemoteFile
) -> Iterator[tuple[BinaryIO, Arriving]]:
    """Write a note for a file that is about to be read, and open a file for its bytes.

    Note and bytes are kept if the block succeeds. They are also kept for the next check if the
    block fails, because the server may give the file only once. If the bytes are incomplete, only
    the note is kept. Nothing is kept if the server still has the file, or if nothing was read.
    """
    folder = _folder(home, organization_id)
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{uuid.uuid4().hex}.json"
    gives_once = _gives_once(home, organization_id).exists()
    arriving = Arriving(note, remote, utc_now(), is_taken_away=gives_once)
    _write(arriving)
    try:
        with arriving.part.open("wb") as target:
            yield target, arriving
    except Exception as error:
        # A run or check that is stopped leaves the same as one that is killed.
        _keep_after(error, arriving)
        raise


def _keep_after(error: Exception, arriving: Arriving) -> None:
    if not isinstance(error, SftpError):
        # The disk may be full: what was read cannot be trusted, and its room is needed.
        arriving.part.unlink(missing_ok=True)
        return
    if not arriving.part.exists():
        # It was not wanted, and may be gone all the same: the next check tells.
        return
    is_read = arriving.part.stat().st_size > 0 or error.has_read_all or error.code in MAY_HEAL
    may_be_lost = is_read or (arriving.is_taken_away and error.code != "gone")
    if isinstance(error, StillGrowingError) or not may_be_lost:
        arriving.forget()
        return
    if error.has_read_all:
        arriving = replace(arriving, is_read_to_end=True)
        _write(arriving)
    if not _has_all_bytes(arriving):
        arriving.part.unlink()


def keep(home: Home, organization_id: str, arriving: Arriving, download: Download) -> Arriving:
    """Move the bytes of a completely received file to the landing area.

    The note gets their hash before they get their name there. After any failure, they are left for
    the next run. Whether the inbox removes what was read is remembered, too.
    """
    gives_once = _gives_once(home, organization_id)
    if download.is_taken_away:
        gives_once.touch()
    else:
        gives_once.unlink(missing_ok=True)
    return _land(home, organization_id, arriving, download)


def reading(home: Home, organization_id: str) -> AbstractContextManager[None]:
    """Lock the files in transfer (R29).

    No run takes one that a check is receiving, and no check receives one during an erasure.
    """
    return one_at_a_time(_folder(home, organization_id))


def read_left(home: Home, organization_id: str) -> list[Arriving]:
    """Read the notes that previous runs left for an organization, in the order of transfer."""
    left = []
    for note in _folder(home, organization_id).glob("*.json"):
        noted = json.loads(note.read_text(encoding="utf-8"))
        remote = RemoteFile(noted["name"], noted["size"], _as_instant(noted["modified_at"]))
        written_at = datetime.fromtimestamp(note.stat().st_mtime, UTC)
        left.append(
            Arriving(
                note,
                remote,
                # Notes of older versions lack some values.
                _as_instant(noted.get("received_at")) or written_at,
                noted.get("is_taken_away", False),
                noted["sha256"],
                noted["byte_count"],
                noted.get("is_read_to_end", False),
                _as_instant(noted.get("reported_at")),
            )
        )
    return sorted(left, key=lambda each: (each.received_at, each.note.name))


@dataclass(frozen=True)
class Left:
    """A file that a previous run received completely, and that the inbox has removed."""

    arriving: Arriving
    download: Download


def find_left(
    home: Home,
    organization_id: str,
    listed: Iterable[RemoteFile],
    environment: Mapping[str, str],
    received: Mapping[str, datetime],
    now: datetime,
) -> tuple[dict[RemoteFile, Left], list[tuple[str, str]]]:
    """Find the files that previous runs received and no load names (R29).

    Files that the inbox still has are dropped, because they are received again; so are incomplete
    files that were sent again, or that were reported for seven days. If the inbox removes what was
    read, another file of the same name is a later one: a complete file comes before it. Whether it
    does, may be known only when it has given another file: see finds_earlier().

    Args:
        home: the installation.
        organization_id: the organization of the files.
        listed: the files in the inbox.
        environment: the variables with the secrets, which must be removed from names.
        received: when the newest file of each name was received, in UTC without zone.
        now: the time.

    Returns:
        The complete files, in the order of transfer; codes and messages of the incomplete ones.

    """
    listed = list(listed)
    names = {file.name for file in listed}
    whole: dict[RemoteFile, Left] = {}
    halves: list[Arriving] = []
    newest = {name: instant.replace(tzinfo=UTC) for name, instant in received.items()}
    with reading(home, organization_id):
        left = read_left(home, organization_id)
    for each in left:
        if each.remote.name in names and not each.is_taken_away:
            if not _may_be_earlier(home, organization_id, each, listed):
                each.forget()
        elif (download := _take(home, organization_id, each)) is not None:
            # Of two files that look the same, the second waits for another load.
            whole.setdefault(each.remote, Left(each, download))
            newest[each.remote.name] = max(
                each.received_at, newest.get(each.remote.name, each.received_at)
            )
        else:
            halves.append(each)
    problems: list[tuple[str, str]] = []
    for each in halves:
        name = each.remote.name
        if name in names or newest.get(name, each.received_at) > each.received_at:
            each.forget()
        elif _is_to_be_reported(each, now):
            told = redact(file_names.shown(name), environment)
            problems.append(
                (
                    "half_received",
                    f"{told}: a run was ended, or the server broke off, while the file was"
                    " received, and the inbox has it no more: have it sent again",
                )
            )
        else:
            each.forget()
    return whole, problems


def _may_be_earlier(
    home: Home, organization_id: str, left: Arriving, listed: Iterable[RemoteFile]
) -> bool:
    """Whether a complete file may be another one than the inbox has under its name."""
    namesakes = [file for file in listed if file.name == left.remote.name]
    is_unread = not any(may_be_same(file, left.remote) for file in namesakes)
    return is_unread and left.sha256 is None and _is_whole(home, organization_id, left)


def finds_earlier(home: Home, organization_id: str, names: Collection[str]) -> bool:
    """Whether a look has shown that files of killed runs came before others of their names (R8).

    It has if the inbox removed what the look read. Else what it read replaced the earlier file.

    Args:
        home: the installation.
        organization_id: the organization of the inbox.
        names: the files that the look received.

    """
    with reading(home, organization_id):
        left = read_left(home, organization_id)
    unsure = [each for each in left if each.sha256 is None and not each.is_taken_away]
    earlier = [each for each in unsure if each.remote.name in names]
    if not _gives_once(home, organization_id).exists():
        forget(earlier)
        return False
    for each in earlier:
        _write(replace(each, is_taken_away=True))
    return bool(earlier)


def _is_to_be_reported(half: Arriving, now: datetime) -> bool:
    if half.reported_at is None:
        _write(replace(half, reported_at=now))
        return True
    return now - half.reported_at <= _REPORTED_FOR


def find_whole(home: Home, organization_id: str) -> list[Arriving]:
    """Find the complete files that previous runs and checks left for an organization.

    The caller holds reading().
    """
    left = read_left(home, organization_id)
    return [each for each in left if _is_whole(home, organization_id, each)]


def forget_halves(home: Home, organization_id: str) -> None:
    """Delete the bytes of incomplete files; their notes stay and are still reported.

    The caller holds reading().
    """
    for each in read_left(home, organization_id):
        if not _is_whole(home, organization_id, each):
            each.part.unlink(missing_ok=True)


def _take(home: Home, organization_id: str, arriving: Arriving) -> Download | None:
    """Move the bytes that a previous run received to the landing area; None if incomplete.

    If the run ended during the transfer, only the expected number of bytes is known; if the
    transfer failed after the last byte, that is known, too.
    """
    if not _is_whole(home, organization_id, arriving):
        return None
    part, sha256, byte_count = arriving.part, arriving.sha256, arriving.byte_count
    if sha256 is None:
        byte_count = part.stat().st_size
        sha256 = whole_files.hash_of(part)
    download = Download(sha256, byte_count, is_taken_away=True)
    if part.exists():
        _land(home, organization_id, arriving, download)
    return download


def _is_whole(home: Home, organization_id: str, arriving: Arriving) -> bool:
    if arriving.sha256 is None:
        return arriving.part.exists() and _has_all_bytes(arriving)
    landed = store.file_path(home, organization_id, arriving.sha256)
    return arriving.part.exists() or landed.exists()


def _has_all_bytes(arriving: Arriving) -> bool:
    """Whether a part is the whole file.

    Where its number of bytes is not the listed one, the file may have grown while it was read and
    been removed then; but an inbox that gives files once may list the size of another form.
    """
    if arriving.part.stat().st_size == arriving.remote.size:
        return True
    return arriving.is_read_to_end and (arriving.remote.size is None or arriving.is_taken_away)


def _land(home: Home, organization_id: str, arriving: Arriving, download: Download) -> Arriving:
    landed = replace(
        arriving,
        sha256=download.sha256,
        byte_count=download.byte_count,
        is_taken_away=download.is_taken_away,
    )
    _write(landed)
    (home.landing / organization_id).mkdir(parents=True, exist_ok=True)
    store.keep(home, organization_id, arriving.part, download.sha256)
    return landed


def forget(arriving: Iterable[Arriving]) -> None:
    """Delete the notes of files that a manifest names, or that the inbox still has."""
    for each in arriving:
        each.forget()


def named(home: Home, organization_id: str) -> set[str]:
    """Return the hashes of landed bytes that a load has yet to name."""
    return {each.sha256 for each in read_left(home, organization_id) if each.sha256 is not None}


def _folder(home: Home, organization_id: str) -> Path:
    return home.landing / "_arriving" / organization_id


def _gives_once(home: Home, organization_id: str) -> Path:
    """The path that exists if the inbox removed the last file that was read."""
    return home.landing / "_arriving" / f"{organization_id}.gives_once"


def _as_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write(arriving: Arriving) -> None:
    remote = arriving.remote
    noted = {
        "name": remote.name,
        "size": remote.size,
        "modified_at": remote.modified_at and remote.modified_at.isoformat(),
        "received_at": arriving.received_at.isoformat(),
        "is_taken_away": arriving.is_taken_away,
        "sha256": arriving.sha256,
        "byte_count": arriving.byte_count,
        "is_read_to_end": arriving.is_read_to_end,
        "reported_at": arriving.reported_at and arriving.reported_at.isoformat(),
    }
    whole_files.write_whole(arriving.note, json.dumps(noted).encode())
