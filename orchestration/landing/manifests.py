"""Manifests: what each load took. Written before the load; an erasure changes one, and an operator
who refuses a file that cannot be loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from orchestration.contracts.organizations import Organization
from orchestration.installation.home import Home
from orchestration.installation.whole_files import write_whole
from orchestration.landing.sealing import changed, read_sealed, seal, unseal

# Organization ids cannot start with an underscore, so these names are free.
EVENTS = "_events"
# The kind of a workbook of customers, which is uploaded (R26).
CUSTOMERS = "customers"


@dataclass(frozen=True)
class Look:
    """The result of checking one organization's inbox (R20).

    `outcome` is `looked`, or an error code. `files_waiting` counts files that wait for another
    load: a load takes one debts file and one workbook per organization, and only so many bytes.
    """

    organization_id: str
    outcome: str
    detail: str | None = None
    files_seen: int = 0
    files_taken: int = 0
    files_waiting: int = 0


@dataclass(frozen=True)
class LandedFile:
    """A completely received file (R13) with the part of the contract that applies to it (R9).

    A file that was too large to download has a code and no hash. `sha256` is always the hash of the
    received bytes. After a person has been erased from them, `kept_sha256` is the hash of the bytes
    kept instead. It is empty if none are kept; then the manifest has the result of reading them.
    `listed_size` is the size in the inbox if it differs from the number of bytes. `modified_at` is
    None if the inbox gave no time.
    """

    organization_id: str
    kind: str
    file_name: str
    business_date: date
    sha256: str
    byte_count: int
    modified_at: datetime | None
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
    file_message: str | None = None
    encoding: str | None = None
    kept_sha256: str | None = None
    listed_size: int | None = None

    @classmethod
    def of(
        cls,
        organization: Organization,
        *,
        kind: str,
        file_name: str,
        business_date: date,
        sha256: str,
        byte_count: int,
        modified_at: datetime | None,
        received_at: datetime,
        file_code: str | None = None,
        listed_size: int | None = None,
    ) -> LandedFile:
        """Make a file of an organization with its current contract; times in UTC without zone."""
        return cls(
            organization_id=organization.organization_id,
            kind=kind,
            file_name=file_name,
            business_date=business_date,
            sha256=sha256,
            byte_count=byte_count,
            modified_at=modified_at,
            received_at=received_at,
            update_mode=organization.update_mode,
            customer_id_scheme=organization.customer_id_scheme,
            currency=organization.currency,
            delimiter=organization.delimiter,
            date_format=organization.date_format,
            decimal_separator=organization.decimal_separator,
            max_withdrawal_share=str(organization.max_withdrawal_share),
            max_rejected_share=str(organization.max_rejected_share),
            file_code=file_code,
            listed_size=listed_size,
        )

    @property
    def file_id(self) -> str:
        """A short stable id of this receipt: the same bytes received again get another id."""
        return name_receipt(
            self.organization_id, self.kind, self.file_name, self.sha256, self.received_at
        )

    @property
    def stored_sha256(self) -> str:
        """The hash and name of the kept bytes; empty if none are kept."""
        return self.sha256 if self.kept_sha256 is None else self.kept_sha256


@dataclass(frozen=True)
class Decision:
    """An operator's decision about a held file (R17): `approved` or `refused`."""

    file_id: str
    decision: str
    decided_at: datetime

    @classmethod
    def from_values(cls, values: Mapping[str, str]) -> Decision:
        """Make a decision from JSON values."""
        decided_at = datetime.fromisoformat(values["decided_at"])
        return cls(values["file_id"], values["decision"], decided_at)


@dataclass(frozen=True)
class EventRange:
    """Whole lines of a file of events: bytes [from_byte, to_byte), kept under their sha256.

    `prefix_sha256` is the hash of all bytes of the file before `to_byte`. With a code there are no
    bytes: the file cannot be read.
    """

    source_file: str
    from_byte: int
    to_byte: int
    lines_before: int
    sha256: str = ""
    code: str | None = None
    prefix_sha256: str = ""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> EventRange:
        """Make a range from JSON values; older versions also accepted names that are not UTF-8."""
        return cls(**{**values, "source_file": readable_name(values["source_file"])})


@dataclass(frozen=True)
class Manifest:
    """Everything that enters the warehouse in one load, and the contracts at that time."""

    load_id: int
    loaded_at: datetime
    business_date: date
    contracts: str = ""
    looks: tuple[Look, ...] = ()
    files: tuple[LandedFile, ...] = ()
    decisions: tuple[Decision, ...] = ()
    events: tuple[EventRange, ...] = field(default=())

    @property
    def is_of_inboxes(self) -> bool:
        """Whether it checked inboxes and files of events: it took no decisions or uploads."""
        return not self.decisions and (bool(self.looks) or not self.files)

    @property
    def is_followed(self) -> bool:
        """Whether another load is due immediately.

        Either debts files wait behind those of this load, or this load took decisions or uploads.
        These have their own loads, which come before any inbox is checked.
        """
        has_files_waiting = any(look.files_waiting and look.files_taken for look in self.looks)
        return has_files_waiting or not self.is_of_inboxes

    def to_json(self) -> str:
        """Return the manifest as JSON, as stored."""
        return seal(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Parse the text that to_json returned.

        Raises:
            ValueError, KeyError, TypeError: the text has changed.

        """
        values: dict[str, Any] = unseal(text)
        return cls(
            load_id=values["load_id"],
            loaded_at=datetime.fromisoformat(values["loaded_at"]),
            business_date=date.fromisoformat(values["business_date"]),
            contracts=values["contracts"],
            looks=tuple(Look(**look) for look in values["looks"]),
            files=tuple(
                LandedFile(
                    **{
                        **file,
                        "business_date": date.fromisoformat(file["business_date"]),
                        "modified_at": file["modified_at"]
                        and datetime.fromisoformat(file["modified_at"]),
                        "received_at": datetime.fromisoformat(file["received_at"]),
                    }
                )
                for file in values["files"]
            ),
            decisions=tuple(Decision.from_values(each) for each in values["decisions"]),
            events=tuple(EventRange.from_values(each) for each in values["events"]),
        )


def name_receipt(
    organization_id: str, kind: str, file_name: str, sha256: str, received_at: datetime
) -> str:
    """Return the id of a received file; it can be computed as soon as the bytes are there."""
    parts = (organization_id, kind, file_name, sha256, received_at.isoformat())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def readable_name(name: str) -> str:
    """Return the name of a local file as valid text; escapes bytes that are not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def write_manifest(home: Home, manifest: Manifest) -> None:
    """Store a manifest atomically: after a crash it is there whole or not at all."""
    path = manifest_path(home, manifest.load_id)
    write_whole(path, manifest.to_json().encode())


def read_manifest(home: Home, load_id: int) -> Manifest | None:
    """Read the manifest of a load, or return None if that load has not happened.

    Raises:
        DamagedError: it has changed since it was written.

    """
    path = manifest_path(home, load_id)
    if not path.exists():
        return None
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    except (KeyError, TypeError, ValueError):
        raise changed(path) from None
    if manifest.load_id != load_id:
        raise changed(path)
    return manifest


def load_ids(home: Home) -> list[int]:
    """Return the ids of the loads in the landing area, in order."""
    return sorted(int(path.stem) for path in (home.landing / "_loads").glob("[0-9]*.json"))


def last_load_id(home: Home) -> int:
    """Return the id of the newest load in the landing area, or 0."""
    return max(load_ids(home), default=0)


def read_manifests(home: Home) -> Iterator[Manifest]:
    """Yield the manifests of all loads, oldest first.

    Raises:
        DamagedError: one has changed since it was written.

    """
    for load_id in load_ids(home):
        manifest = read_manifest(home, load_id)
        if manifest is not None:
            yield manifest


def write_erasure(home: Home, name: str, record: Mapping[str, Any]) -> None:
    """Record an erasure: the new hashes of the affected receipts, and no person."""
    write_whole(home.landing / "_erasures" / f"{name}.json", seal(record).encode())


def has_erased(home: Home, organization_id: str) -> bool:
    """Return whether a person of an organization has ever been erased."""
    records = (home.landing / "_erasures").glob("*.json")
    return any(read_sealed(path).get("organization_id") == organization_id for path in records)


def recent_manifests(home: Home, since: datetime) -> list[Manifest]:
    """Read the manifests of the loads since an instant, oldest first.

    Args:
        home: the installation.
        since: UTC without a zone.

    """
    manifests: list[Manifest] = []
    for load_id in reversed(load_ids(home)):
        manifest = read_manifest(home, load_id)
        if manifest is None or manifest.loaded_at < since:
            break
        manifests.append(manifest)
    return manifests[::-1]


def is_stored(home: Home, organization_id: str, sha256: str) -> bool:
    """Return whether a manifest keeps a file of an organization under its own hash."""
    return any(
        (file.organization_id, file.stored_sha256) == (organization_id, sha256)
        for manifest in read_manifests(home)
        for file in manifest.files
    )


def newest_look(home: Home) -> list[Manifest]:
    """Read the newest manifest that checked inboxes; an empty list if there is none."""
    for load_id in reversed(load_ids(home)):
        manifest = read_manifest(home, load_id)
        if manifest is not None and manifest.looks:
            return [manifest]
    return []


def manifest_path(home: Home, load_id: int) -> Path:
    """Return the path of a load's manifest."""
    return home.landing / "_loads" / f"{load_id:08d}.json"
