"""Receive the chosen files completely into the landing area (R13)."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestration.contracts.organizations import Organization
from orchestration.contracts.tables import ContractError
from orchestration.installation.clock import Clock, naive_utc
from orchestration.installation.home import Home
from orchestration.installation.tracing import trace
from orchestration.intake import arriving
from orchestration.intake.arriving import Arriving, Left
from orchestration.intake.recognizing import Arrival
from orchestration.landing import store
from orchestration.landing.manifests import LandedFile
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import (
    Download,
    RemoteFile,
    TooLargeError,
)
from orchestration.servers.sftp import Client

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FILE_LIMIT = "4GB"


def file_limit(environment: Mapping[str, str]) -> int:
    """Return the maximum number of bytes of a file; larger ones are refused, not downloaded (R16).

    Args:
        environment: SALDO_FILE_LIMIT, such as `500MB`; the default is 4GB.

    Raises:
        ContractError: it is not a size.

    """
    text = environment.get("SALDO_FILE_LIMIT", _FILE_LIMIT)
    match = re.fullmatch(r"([0-9]{1,6})(MB|GB)", text)
    if match is None:
        raise ContractError(
            f"SALDO_FILE_LIMIT: {text!r} is not allowed; allowed: a size such as 500MB or 4GB"
        )
    return int(match[1]) * {"MB": 10**6, "GB": 10**9}[match[2]]


@dataclass(frozen=True)
class Received:
    """A received file.

    Args:
        file: the landed file.
        download: the result of the download.
        is_first: whether its bytes were new to the landing area.
        arriving: its note; None if no byte was received.

    """

    file: LandedFile
    download: Download
    is_first: bool
    arriving: Arriving | None = None


def receive(
    home: Home,
    organization: Organization,
    client: Client,
    arrival: Arrival,
    clock: Clock,
    limit: int,
    left: Mapping[RemoteFile, Left] | None = None,
    trial: Home | None = None,
) -> Received:
    """Download a file and keep it in the landing area (R13).

    Args:
        home: the installation.
        organization: the organization of the file.
        client: the connection to the inbox.
        arrival: the file.
        clock: the time.
        limit: the maximum number of its bytes.
        left: files that a previous run has received, which are not downloaded.
        trial: a home that gets the file instead; a file that the inbox gives only once is kept.

    Raises:
        SftpError: the errors of Client.download; nothing is kept.

    """
    organization_id = organization.organization_id
    remote = arrival.remote
    file_code: str | None = "file_too_large"
    download, is_first = Download("", remote.size or 0), False
    noted: Arriving | None = None
    if left and remote in left:
        noted, download = left[remote].arriving, left[remote].download
        file_code = arrival.file_code
    elif remote.size is None or remote.size <= limit:
        with arriving.receiving(home, organization_id, remote) as (target, begun):
            try:
                download = client.download(organization.inbox_dir, remote, target, limit)
            except TooLargeError:
                download = Download("", limit + 1)
        noted = begun
        if download.sha256:
            file_code = arrival.file_code
            if trial is None:
                is_first = not store.file_path(home, organization_id, download.sha256).exists()
                noted = arriving.keep(home, organization_id, begun, download)
            else:
                _lend(home, trial, organization_id, begun, download)
        elif trial is not None:
            # Some mailboxes remove what was read, also in part: then the next run tells it.
            begun.part.unlink(missing_ok=True)
            if client.find(organization.inbox_dir, remote.name) is not None:
                begun.forget()
    landed = LandedFile.of(
        organization,
        kind=arrival.kind,
        file_name=remote.name,
        business_date=arrival.business_date,
        sha256=download.sha256,
        byte_count=download.byte_count,
        modified_at=modification_time(remote),
        received_at=naive_utc(clock()),
        file_code=file_code,
        listed_size=None if remote.size == download.byte_count else remote.size,
    )
    return Received(landed, download, is_first, noted)


def _lend(
    home: Home, trial: Home, organization_id: str, begun: Arriving, download: Download
) -> None:
    """Give the bytes of a completely received file to a trial.

    A file that the inbox no longer has is kept for the next load first.

    Args:
        home: the installation.
        trial: a home that is deleted after the trial.
        organization_id: the organization of the file.
        begun: its note.
        download: the hash and number of its bytes.

    """
    path = store.file_path(trial, organization_id, download.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    if download.is_taken_away:
        arriving.keep(home, organization_id, begun, download)
        shutil.copyfile(store.file_path(home, organization_id, download.sha256), path)
    else:
        shutil.move(begun.part, path)
        begun.forget()


def modification_time(remote: RemoteFile) -> datetime | None:
    """Return when a file was modified, in UTC without zone; None if the server does not say."""
    return None if remote.modified_at is None else naive_utc(remote.modified_at)


def describe(error: Exception) -> tuple[str, str]:
    """Return the code and the message of what ended a look."""
    if isinstance(error, SftpError):
        return error.code, str(error)
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return "disk_full", "no space is left on this machine: free disk space, then run again"
    return "failed", trace(error)
