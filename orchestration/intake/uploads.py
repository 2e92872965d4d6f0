"""Uploads: workbooks of customers that wait for the next load (R26).

Each upload is a folder below SALDO_HOME/uploads/<organization>, with the workbook and its metadata.
It appears atomically, so uploading does not need the warehouse. It waits while a run holds the
warehouse, and survives a crash.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from orchestration.contracts.organizations import Organization
from orchestration.installation import whole_files
from orchestration.installation.clock import naive_utc
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import LandedFile

_WORKBOOK = "workbook.xlsx"
_NOTE = "upload.json"
# In bytes: `.<name>.summary.csv.<12 digits>.part` must also be a valid name, of up to 255.
_LONGEST_NAME = 224


@dataclass(frozen=True)
class Upload:
    """A workbook that waits for a load.

    Args:
        organization_id: the organization of the customers.
        folder: the folder of the upload.
        file_name: its original name; never part of a local path (R13).
        sha256: the hash of its bytes.
        byte_count: its size.
        uploaded_at: the time, in UTC without zone.

    """

    organization_id: str
    folder: Path
    file_name: str
    sha256: str
    byte_count: int
    uploaded_at: datetime

    @property
    def file_id(self) -> str:
        """Its future id in `intake_files`."""
        return manifests.name_receipt(
            self.organization_id, manifests.CUSTOMERS, self.file_name, self.sha256, self.uploaded_at
        )

    @property
    def workbook(self) -> Path:
        """The path of the bytes."""
        return self.folder / _WORKBOOK


def put(
    home: Home, organization: Organization, source: Path, file_name: str, now: datetime
) -> Upload:
    """Hand over a workbook to the next load, completely or not at all.

    Args:
        home: the installation.
        organization: the organization of the customers.
        source: the file, which is copied.
        file_name: its original name.
        now: the time.

    """
    content = source.read_bytes()
    uploaded_at = naive_utc(now)
    name = f"{uploaded_at:%Y%m%dT%H%M%S%f}_{uuid.uuid4().hex[:8]}"
    folder = home.uploads / organization.organization_id / name
    upload = Upload(
        organization.organization_id,
        folder,
        _plain(file_name),
        hashlib.sha256(content).hexdigest(),
        len(content),
        uploaded_at,
    )
    part = folder.with_name(f".{name}.part")
    try:
        whole_files.write_whole(part / _WORKBOOK, content)
        note = {
            "file_name": upload.file_name,
            "sha256": upload.sha256,
            "byte_count": upload.byte_count,
            "uploaded_at": uploaded_at.isoformat(),
        }
        whole_files.write_whole(part / _NOTE, json.dumps(note, ensure_ascii=False).encode())
        part.rename(folder)
        whole_files.sync_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return upload


def read_waiting(home: Home, organizations: Sequence[Organization]) -> list[Upload]:
    """Read the uploads of organizations that have a contract, oldest first."""
    uploads = []
    for organization in organizations:
        for path in (home.uploads / organization.organization_id).glob(f"[!.]*/{_NOTE}"):
            # A load may forget an upload while a page reads them.
            with suppress(FileNotFoundError):
                note = json.loads(path.read_text(encoding="utf-8"))
                note["uploaded_at"] = datetime.fromisoformat(note["uploaded_at"])
                uploads.append(Upload(organization.organization_id, path.parent, **note))
    return sorted(uploads, key=lambda each: (each.uploaded_at, each.folder.name))


def land(
    connection: Connection,
    home: Home,
    organizations: Sequence[Organization],
    business_date: date,
) -> tuple[list[LandedFile], list[Upload]]:
    """Copy the oldest upload of each organization to the landing area.

    Returns:
        The files of a new load, and the uploads to delete once its manifest is written. These
        include uploads that a killed run landed but did not delete.

    """
    contracts = {each.organization_id: each for each in organizations}
    files: list[LandedFile] = []
    landed: list[Upload] = []
    for upload in read_waiting(home, organizations):
        if any(file.organization_id == upload.organization_id for file in files):
            continue
        is_known = connection.execute(
            "select 1 from raw.intake_files where file_id = ?", [upload.file_id]
        ).fetchone()
        if is_known is None:
            with store.receiving(home, upload.organization_id) as (target, part):
                target.write(upload.workbook.read_bytes())
                target.flush()
                store.keep(home, upload.organization_id, part, upload.sha256)
            contract = contracts[upload.organization_id]
            files.append(_as_landed(upload, contract, business_date))
        landed.append(upload)
    return files, landed


def forget(upload: Upload) -> None:
    """Delete an upload that has landed."""
    upload.folder.rename(upload.folder.with_name(f".{upload.folder.name}.gone"))
    for gone in upload.folder.parent.glob(".*.gone"):
        shutil.rmtree(gone)


def _plain(file_name: str) -> str:
    """Return a file name without folders, printable, and short enough for its answers."""
    last = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(char for char in last if char.isprintable()).encode()
    return printable[:_LONGEST_NAME].decode(errors="ignore") or _WORKBOOK


def _as_landed(upload: Upload, organization: Organization, business_date: date) -> LandedFile:
    return LandedFile.of(
        organization,
        kind=manifests.CUSTOMERS,
        file_name=upload.file_name,
        business_date=business_date,
        sha256=upload.sha256,
        byte_count=upload.byte_count,
        modified_at=upload.uploaded_at,
        received_at=upload.uploaded_at,
    )
