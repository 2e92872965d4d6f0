"""The landing area: the bytes of every file received and a manifest of every load.

Attempts to deliver are kept beside them (ledger.py).

A manifest is written before its load enters the warehouse. Whatever a killed run left undone is
found here and done again (R29), and a replay into an empty warehouse reads nothing else.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from orchestration.contracts.event_words import EVENT_WORD_FILES
from orchestration.contracts.organizations import CONTRACT_FILES
from orchestration.installation.home import Home
from orchestration.installation.whole_files import sync_folder, write_whole
from orchestration.landing.manifests import EVENTS, LandedFile, read_manifests
from orchestration.landing.sealing import changed, missing

# What older versions kept of the contracts, and named them by.
_CONTRACT_FILES_ONCE = tuple(name for name in CONTRACT_FILES if name not in EVENT_WORD_FILES)


def file_path(home: Home, organization_id: str, sha256: str) -> Path:
    """Where the bytes of a landed file are. Nothing remote is part of the path (R13)."""
    return home.landing / organization_id / sha256


@contextmanager
def receiving(home: Home, organization_id: str) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file for bytes that are on their way; gone afterwards unless keep() took it."""
    folder = home.landing / organization_id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        with path.open("wb") as target:
            yield target, path
    finally:
        path.unlink(missing_ok=True)


def keep(home: Home, organization_id: str, part: Path, sha256: str) -> Path:
    """Give received bytes their name, once they are safely on the disk."""
    with part.open("rb+") as content:
        os.fsync(content.fileno())
    path = file_path(home, organization_id, sha256)
    part.replace(path)
    return path


def keep_anew(home: Home, folder: str, write: Callable[[IO[bytes]], None]) -> str:
    """Keep bytes of ours in an organization's folder, or among the events.

    Args:
        home: where they go.
        folder: an organization's id, or EVENTS.
        write: writes them.

    Returns:
        The hash that names them.

    """
    with receiving(home, folder) as (target, part):
        write(target)
        target.flush()
        with part.open("rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        keep(home, folder, part, sha256)
    sync_folder(home.landing / folder)
    return sha256


def events_path(home: Home, sha256: str) -> Path:
    """Where the bytes of a range of events are."""
    return home.landing / EVENTS / sha256


def keep_contracts(home: Home) -> str:
    """Keep the contracts as they are now (R11), so that a replay reads files as they were read.

    Returns:
        The hash that names them.

    """
    contents = {name: (home.seeds / name).read_bytes() for name in CONTRACT_FILES}
    kept = name_contracts(contents)
    for name, content in contents.items():
        path = contracts_path(home, kept) / name
        if not path.exists():
            write_whole(path, content)
    return kept


def name_contracts(contents: Mapping[str, bytes]) -> str:
    """The hash that names contracts, of their files by name, in their order."""
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def require_contracts(home: Home, contracts: str) -> None:
    """Make sure that the contracts of a load are as they were kept, before they are read.

    Raises:
        DamagedError: they are not.

    """
    folder = contracts_path(home, contracts)
    for names in (CONTRACT_FILES, _CONTRACT_FILES_ONCE):
        try:
            contents = {name: (folder / name).read_bytes() for name in names}
        except FileNotFoundError:
            continue
        if name_contracts(contents) == contracts:
            return
    raise changed(folder) if folder.exists() else missing(folder)


def complete_contracts(home: Home, contracts: str) -> None:
    """Keep the words of events as they are now beside contracts of an older version, which kept
    none: what they mean in the first replay they mean in every other (R9).
    """
    for name in EVENT_WORD_FILES:
        path = contracts_path(home, contracts) / name
        if not path.exists():
            write_whole(path, (home.seeds / name).read_bytes())


def contracts_path(home: Home, contracts: str) -> Path:
    """The folder of the contracts that keep_contracts() kept; it is read like SALDO_SEEDS."""
    return home.landing / "_contracts" / contracts


def sweep(home: Home) -> None:
    """Remove the half-received files that a killed run left."""
    for pattern in ("*/.*.part", "_arriving/*/.*.part"):
        for part in home.landing.glob(pattern):
            part.unlink(missing_ok=True)


def stored_path(home: Home, file: LandedFile) -> Path:
    """Where the bytes are that a file is read from."""
    return file_path(home, file.organization_id, file.stored_sha256)


def remove_unnamed(home: Home, organization_id: str, spared: Collection[str] = ()) -> None:
    """Delete an organization's files, and ranges of events, that no manifest names.

    Args:
        home: where they are.
        organization_id: whose files.
        spared: the hashes of files that the next load is to name.

    """
    named: dict[str, set[str]] = {organization_id: set(spared), EVENTS: set()}
    for manifest in read_manifests(home):
        named[EVENTS] |= {each.sha256 for each in manifest.events}
        for file in manifest.files:
            if file.organization_id == organization_id:
                named[organization_id].add(file.stored_sha256)
    for folder, names in named.items():
        for path in (home.landing / folder).glob("*"):
            if path.name not in names:
                path.unlink()
