"""Files in transfer: read from an inbox, but not yet named by a load (R13, R29).

Some mailboxes give a file only once. So a note is written before a file is read, and stays until a
manifest names the file. If a run was killed, or the server broke off, the next run lands the file
if the inbox no longer has it. A file that is incomplete then is reported.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from orchestration.contracts import file_names
from orchestration.installation import whole_files
from orchestration.installation.home import Home
from orchestration.installation.redaction import redact
from orchestration.landing import store
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import Download, RemoteFile
from orchestration.servers.ssh import MAY_HEAL


@dataclass(frozen=True)
class Arriving:
    """A file that is, or was, in transfer.

    Args:
        note: the path of its note.
        remote: the file, as the inbox listed it.
        sha256: the hash of its bytes; None during the transfer.
        byte_count: the number of its bytes; None during the transfer.

    """

    note: Path
    remote: RemoteFile
    sha256: str | None = None
    byte_count: int = 0

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
    server breaks off, because it may give the file only once. If the bytes are incomplete, only the
    note is kept.
    """
    folder = _folder(home, organization_id)
    folder.mkdir(parents=True, exist_ok=True)
    arriving = Arriving(folder / f"{uuid.uuid4().hex}.json", remote)
    _write(arriving)
    try:
        with arriving.part.open("wb") as target:
            yield target, arriving
    except BaseException as error:
        if not isinstance(error, SftpError) or error.code not in MAY_HEAL:
            arriving.forget()
        elif arriving.part.stat().st_size != remote.size:
            arriving.part.unlink()
        raise


def keep(home: Home, organization_id: str, arriving: Arriving, download: Download) -> Arriving:
    """Move the bytes of a completely received file to the landing area.

    The note gets their hash before they get their name there. After any failure, they are left for
    the next run.
    """
    kept = Arriving(arriving.note, arriving.remote, download.sha256, download.byte_count)
    _write(kept)
    (home.landing / organization_id).mkdir(parents=True, exist_ok=True)
    store.keep(home, organization_id, arriving.part, download.sha256)
    return kept


def read_left(home: Home, organization_id: str) -> list[Arriving]:
    """Read the notes that previous runs left for an organization, by file name."""
    left = []
    for note in _folder(home, organization_id).glob("*.json"):
        noted = json.loads(note.read_text(encoding="utf-8"))
        modified_at = noted["modified_at"]
        remote = RemoteFile(
            noted["name"], noted["size"], modified_at and datetime.fromisoformat(modified_at)
        )
        left.append(Arriving(note, remote, noted["sha256"], noted["byte_count"]))
    return sorted(left, key=lambda each: (each.remote.name, each.note.name))


@dataclass(frozen=True)
class Left:
    """A file that a previous run received completely, and that the inbox no longer has."""

    arriving: Arriving
    download: Download


def find_left(
    home: Home,
    organization_id: str,
    listed: Iterable[RemoteFile],
    environment: Mapping[str, str],
) -> tuple[dict[RemoteFile, Left], list[tuple[str, str]]]:
    """Find the files that previous runs received and no load names (R29).

    Files that the inbox still has are dropped, because they are received again.

    Args:
        home: the installation.
        organization_id: the organization of the files.
        listed: the files in the inbox.
        environment: the variables with the secrets, which must be removed from names.

    Returns:
        The complete files; codes and messages of the incomplete ones.

    """
    names = {file.name for file in listed}
    whole: dict[RemoteFile, Left] = {}
    problems: list[tuple[str, str]] = []
    for each in read_left(home, organization_id):
        if each.remote.name in names:
            each.forget()
        elif (download := _take(home, organization_id, each)) is not None:
            whole[each.remote] = Left(each, download)
        else:
            told = redact(file_names.shown(each.remote.name), environment)
            problems.append(
                (
                    "half_received",
                    f"{told}: a run was ended, or the server broke off, while the file was"
                    " received, and the inbox has it no more: have it sent again",
                )
            )
    return whole, problems


def leave(
    home: Home, organization_id: str, remote: RemoteFile, download: Download, content: Path
) -> None:
    """Keep a file that the inbox no longer has for the next load.

    Args:
        home: the installation.
        organization_id: the organization of the file.
        remote: the file, as the inbox listed it.
        download: the hash and number of its bytes.
        content: the path of its bytes.

    """
    folder = _folder(home, organization_id)
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{uuid.uuid4().hex}.json"
    left = Arriving(note, remote, download.sha256, download.byte_count)
    shutil.copyfile(content, left.part)
    _write(left)


def _take(home: Home, organization_id: str, arriving: Arriving) -> Download | None:
    """Move the bytes that a previous run received to the landing area; None if incomplete.

    If the run ended during the transfer, only the expected number of bytes is known.
    """
    part = arriving.part
    if arriving.sha256 is not None:
        download = Download(arriving.sha256, arriving.byte_count, is_taken_away=True)
        if part.exists():
            keep(home, organization_id, arriving, download)
        elif not store.file_path(home, organization_id, arriving.sha256).exists():
            return None
        return download
    if not part.exists() or part.stat().st_size != arriving.remote.size:
        return None
    with part.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    download = Download(sha256, part.stat().st_size, is_taken_away=True)
    keep(home, organization_id, arriving, download)
    return download


def forget(arriving: Iterable[Arriving]) -> None:
    """Delete the notes of files that a manifest names, or that the inbox still has."""
    for each in arriving:
        each.forget()


def named(home: Home, organization_id: str) -> set[str]:
    """Return the hashes of landed bytes that a load has yet to name."""
    return {each.sha256 for each in read_left(home, organization_id) if each.sha256 is not None}


def _folder(home: Home, organization_id: str) -> Path:
    return home.landing / "_arriving" / organization_id


def _write(arriving: Arriving) -> None:
    remote = arriving.remote
    noted = {
        "name": remote.name,
        "size": remote.size,
        "modified_at": remote.modified_at and remote.modified_at.isoformat(),
        "sha256": arriving.sha256,
        "byte_count": arriving.byte_count,
    }
    whole_files.write_whole(arriving.note, json.dumps(noted).encode())
