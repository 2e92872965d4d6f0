"""The landing area: the bytes of every received file and a manifest of every load.

Delivery attempts are kept next to them (`delivery/attempts.py`).

A manifest is written before its load enters the warehouse. The next run finds what a killed run
left undone and completes it (R29). A replay into an empty warehouse reads nothing else.
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
from orchestration.installation.whole_files import hash_of, sync_folder, write_whole
from orchestration.landing.manifests import EVENTS, LandedFile, read_manifests
from orchestration.landing.sealing import changed, missing

# The contract files that older versions kept, and computed the hash of.
_CONTRACT_FILES_ONCE = tuple(name for name in CONTRACT_FILES if name not in EVENT_WORD_FILES)


def file_path(home: Home, organization_id: str, sha256: str) -> Path:
    """Return the path of a landed file's bytes. No part of it comes from the server (R13)."""
    return home.landing / organization_id / sha256


@contextmanager
def receiving(home: Home, organization_id: str) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file for incoming bytes; it is deleted afterwards unless keep() took it."""
    folder = home.landing / organization_id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        with path.open("wb") as target:
            yield target, path
    finally:
        path.unlink(missing_ok=True)


def keep(home: Home, organization_id: str, part: Path, sha256: str) -> Path:
    """Sync received bytes to the disk, then rename them to their hash and sync the folder."""
    with part.open("rb+") as content:
        os.fsync(content.fileno())
    path = file_path(home, organization_id, sha256)
    part.replace(path)
    sync_folder(path.parent)
    return path


def keep_anew(home: Home, folder: str, write: Callable[[IO[bytes]], None]) -> str:
    """Keep bytes that Saldo wrote in an organization's folder, or among the events.

    Args:
        home: the installation.
        folder: an organization's id, or EVENTS.
        write: writes the bytes.

    Returns:
        The hash of the bytes, which is their name.

    """
    with receiving(home, folder) as (target, part):
        write(target)
        target.flush()
        sha256 = hash_of(part)
        keep(home, folder, part, sha256)
    return sha256


def events_path(home: Home, sha256: str) -> Path:
    """Return the path of the bytes of a range of events."""
    return home.landing / EVENTS / sha256


def keep_contracts(home: Home) -> str:
    """Keep the current contracts (R11), so that a replay reads files the same way.

    Returns:
        The hash of the contracts, which is their name.

    """
    contents = {name: (home.seeds / name).read_bytes() for name in CONTRACT_FILES}
    kept = name_contracts(contents)
    for name, content in contents.items():
        path = contracts_path(home, kept) / name
        if not path.exists():
            write_whole(path, content)
    return kept


def name_contracts(contents: Mapping[str, bytes]) -> str:
    """Return the hash of contracts, computed from their files in order."""
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def require_contracts(home: Home, contracts: str) -> None:
    """Check that the contracts of a load are unchanged before they are read.

    Raises:
        DamagedError: they have changed.

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
    """Add the current event words to contracts of an older version, which did not keep them.

    So their meaning in the first replay stays the same in every later replay (R9).
    """
    for name in EVENT_WORD_FILES:
        path = contracts_path(home, contracts) / name
        if not path.exists():
            write_whole(path, (home.seeds / name).read_bytes())


def contracts_path(home: Home, contracts: str) -> Path:
    """Return the folder of contracts that keep_contracts() kept; it is read like SALDO_SEEDS."""
    return home.landing / "_contracts" / contracts


def sweep(home: Home) -> None:
    """Delete partially received files that a killed run left."""
    for pattern in ("*/.*.part", "_arriving/*/.*.part"):
        for part in home.landing.glob(pattern):
            part.unlink(missing_ok=True)


def stored_path(home: Home, file: LandedFile) -> Path:
    """Return the path of the bytes that a file is read from."""
    return file_path(home, file.organization_id, file.stored_sha256)


def remove_unnamed(home: Home, organization_id: str, spared: Collection[str] = ()) -> None:
    """Delete an organization's files, and ranges of events, that no manifest names.

    Args:
        home: the installation.
        organization_id: the organization of the files.
        spared: the hashes of files that the next load will name.

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
