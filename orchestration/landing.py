"""The landing area: the bytes of every file received and a manifest of every load.

A manifest is written before its load enters the warehouse. Whatever a killed run left undone is
found here and done again (R29), and a replay into an empty warehouse reads nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from orchestration.home import Home


@dataclass(frozen=True)
class Look:
    """What came of looking into one organization's inbox (R20).

    `outcome` is `looked`, or the code of what went wrong; `files_waiting` counts debts files
    that wait for a further load, since a load takes one for each organization.
    """

    organization_id: str
    outcome: str
    detail: str | None = None
    files_seen: int = 0
    files_taken: int = 0
    files_waiting: int = 0


@dataclass(frozen=True)
class LandedFile:
    """A file received whole (R13) with the part of the contract that it is read by (R9)."""

    organization_id: str
    kind: str
    file_name: str
    business_date: date
    sha256: str
    byte_count: int
    modified_at: datetime
    received_at: datetime
    update_mode: str
    customer_id_scheme: str
    currency: str
    delimiter: str
    date_format: str
    decimal_separator: str
    max_withdrawal_share: str
    max_rejected_share: str
    file_code: str | None = None

    @property
    def file_id(self) -> str:
        """A short stable name of this receipt: the same bytes received again get another."""
        parts = (
            self.organization_id,
            self.kind,
            self.file_name,
            self.sha256,
            self.received_at.isoformat(),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Decision:
    """An operator's word on a held file (R17): `approved` or `refused`."""

    file_id: str
    decision: str
    decided_at: datetime


@dataclass(frozen=True)
class EventRange:
    """Whole lines of a file of payment events: bytes [from_byte, to_byte)."""

    source_file: str
    from_byte: int
    to_byte: int
    lines_before: int


@dataclass(frozen=True)
class Manifest:
    """All that enters the warehouse in one load."""

    load_id: int
    loaded_at: datetime
    business_date: date
    looks: tuple[Look, ...] = ()
    files: tuple[LandedFile, ...] = ()
    decisions: tuple[Decision, ...] = ()
    events: tuple[EventRange, ...] = field(default=())

    @property
    def has_files_waiting(self) -> bool:
        """Whether debts files wait behind those that this load took."""
        return any(look.files_waiting and look.files_taken for look in self.looks)

    def to_json(self) -> str:
        """The manifest as it is stored."""
        return json.dumps(asdict(self), indent=1, default=lambda value: value.isoformat())

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what to_json wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            load_id=values["load_id"],
            loaded_at=datetime.fromisoformat(values["loaded_at"]),
            business_date=date.fromisoformat(values["business_date"]),
            looks=tuple(Look(**look) for look in values["looks"]),
            files=tuple(
                LandedFile(
                    **{
                        **file,
                        "business_date": date.fromisoformat(file["business_date"]),
                        "modified_at": datetime.fromisoformat(file["modified_at"]),
                        "received_at": datetime.fromisoformat(file["received_at"]),
                    }
                )
                for file in values["files"]
            ),
            decisions=tuple(
                Decision(
                    file_id=decision["file_id"],
                    decision=decision["decision"],
                    decided_at=datetime.fromisoformat(decision["decided_at"]),
                )
                for decision in values["decisions"]
            ),
            events=tuple(EventRange(**event_range) for event_range in values["events"]),
        )


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


def sweep(home: Home) -> None:
    """Remove the half-received files that a killed run left."""
    for part in home.landing.glob("*/.*.part"):
        part.unlink(missing_ok=True)


def write_manifest(home: Home, manifest: Manifest) -> None:
    """Store a manifest in one step: after a crash it is there whole or not at all."""
    path = _manifest_path(home, manifest.load_id)
    write_whole(path, manifest.to_json().encode())


def read_manifest(home: Home, load_id: int) -> Manifest | None:
    """The manifest of a load, None if that load has not happened."""
    path = _manifest_path(home, load_id)
    return Manifest.from_json(path.read_text()) if path.exists() else None


def recent_manifests(home: Home, since: datetime) -> list[Manifest]:
    """The manifests of the loads that were made since an instant, oldest first.

    Args:
        home: where they are.
        since: UTC without a zone.

    """
    manifests: list[Manifest] = []
    for path in sorted((home.landing / "loads").glob("[0-9]*.json"), reverse=True):
        manifest = Manifest.from_json(path.read_text())
        if manifest.loaded_at < since:
            break
        manifests.append(manifest)
    return manifests[::-1]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, rename it, sync its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _manifest_path(home: Home, load_id: int) -> Path:
    return home.landing / "loads" / f"{load_id:08d}.json"
