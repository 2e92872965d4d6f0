"""Files on their way: what an inbox gave, and no load names yet (R13, R29).

Some mailboxes give a file once. So before a file is read, a note says which one it is; the note
stays until a manifest names the file. What a killed run left, or one whose server broke off, is
landed by the next one if the inbox has it no more, and what of it is not whole is told.
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
    """A file that is, or was, on its way.

    Args:
        note: where it is noted.
        remote: the file, as the inbox listed it.
        sha256: of its bytes, None while they are received.
        byte_count: how many they are, likewise.

    """

    note: Path
    remote: RemoteFile
    sha256: str | None = None
    byte_count: int = 0

    @property
    def part(self) -> Path:
        """Where its bytes go, until the landing area has them."""
        return self.note.with_suffix(".part")

    def forget(self) -> None:
        """Remove the note, and bytes that are not in the landing area."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@contextmanager
def receiving(
    home: Home, organization_id: str, remote: RemoteFile
) -> Iterator[tuple[BinaryIO, Arriving]]:
    """A place for a file that is about to be read; note and bytes are left if all goes well.

    They are left for the next look also if the server breaks off: it may have given the file once
    alone. Of bytes that are not whole the note is enough.
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
    """Put the bytes of a file that was received whole into the landing area.

    The note says which bytes they are before they have their name there. Whatever goes wrong, they
    are left for the next run.
    """
    kept = Arriving(arriving.note, arriving.remote, download.sha256, download.byte_count)
    _write(kept)
    (home.landing / organization_id).mkdir(parents=True, exist_ok=True)
    store.keep(home, organization_id, arriving.part, download.sha256)
    return kept


def read_left(home: Home, organization_id: str) -> list[Arriving]:
    """What former runs have left of an organization's files, by name."""
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
    """A file that a former run received whole, and that the inbox has no more."""

    arriving: Arriving
    download: Download


def find_left(
    home: Home,
    organization_id: str,
    listed: Iterable[RemoteFile],
    environment: Mapping[str, str],
) -> tuple[dict[RemoteFile, Left], list[tuple[str, str]]]:
    """What former runs received, and no load names (R29).

    What the inbox still has is forgotten, for it is received again.

    Args:
        home: where it is.
        organization_id: whose files.
        listed: what the inbox has.
        environment: whose secrets no name may tell.

    Returns:
        The files that are whole; codes and sentences of those that are not.

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
    """Leave a file that the inbox has no more, for the next load.

    Args:
        home: where it is left.
        organization_id: whose it is.
        remote: the file, as the inbox listed it.
        download: which bytes it has.
        content: where they are.

    """
    folder = _folder(home, organization_id)
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{uuid.uuid4().hex}.json"
    left = Arriving(note, remote, download.sha256, download.byte_count)
    shutil.copyfile(content, left.part)
    _write(left)


def _take(home: Home, organization_id: str, arriving: Arriving) -> Download | None:
    """The bytes that a former run received, in the landing area; None if they are not whole.

    A run that was ended as it received them knows only how many they should be.
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
    """Remove the notes of files that a manifest names, or that the inbox still has."""
    for each in arriving:
        each.forget()


def named(home: Home, organization_id: str) -> set[str]:
    """The bytes of an organization's landing area that a load is still to name, by their hashes."""
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
