"""Decide whether a file is complete, or its upload has only stalled (R13).

A stalled upload looks like a finished one. A file is quiet when two checks at least `quiet_seconds`
apart found it unchanged, or when it is that old by its own server's clock; without a time it is
received twice. The time when a file was
first seen in its current state is remembered between loads, by a hash instead of its name (R30).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestration.installation.home import Home
from orchestration.installation.whole_files import write_whole
from orchestration.intake.arriving import Arriving
from orchestration.landing.manifests import LandedFile
from orchestration.servers.remote_files import RemoteFile, StillGrowingError, TooLargeError
from orchestration.servers.sftp import Client

# The maximum quiet time of a file is a day.
_FORGOTTEN_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class Unsettled:
    """A received file whose upload may not have ended yet.

    Args:
        landed: the file.
        remote: the file as it was listed.
        ready_at: when it has been unchanged for long enough.
        is_first: whether its bytes were new to the landing area.
        arriving: its note.

    """

    landed: LandedFile
    remote: RemoteFile
    ready_at: datetime
    is_first: bool
    arriving: Arriving | None = None


class Sightings:
    """When files were first seen in their current state.

    Args:
        home: the installation.
        now: the time; what is of another time is forgotten.

    """

    def __init__(self, home: Home, now: datetime) -> None:
        self._path = home.scratch / "sightings.json"
        self._first = _read(self._path, now)

    def note(self, organization_id: str, file: RemoteFile, now: datetime) -> datetime:
        """Record that a file is seen now; return when it was first seen in this state.

        An inbox may have its turn long after the run began. Without its time, a file may have
        changed since another look found the same of it: then it is seen for the first time.
        """
        if not file.has_time:
            return now
        return self._first.setdefault(_hash(organization_id, file), now)

    def write(self) -> None:
        """Save what was seen for the next load."""
        values = {name: instant.isoformat() for name, instant in sorted(self._first.items())}
        write_whole(self._path, json.dumps(values).encode())


def is_quiet(
    quiet: timedelta, file: RemoteFile, first_seen: datetime, now: datetime, clock: datetime | None
) -> bool:
    """Return whether a file's upload has ended.

    Args:
        quiet: how long it must be unchanged; zero switches this off.
        file: its current state.
        first_seen: when it was first seen in this state.
        now: the time, by the same clock as `first_seen`.
        clock: a time that its server's clock has reached, or None if unknown.

    """
    if not quiet:
        return True
    if file.modified_at is None or not file.has_time:
        # Only its bytes tell, once they have been received again.
        return False
    if now - first_seen >= quiet:
        return True
    return clock is not None and clock - file.modified_at >= quiet


def _read(path: Path, now: datetime) -> dict[str, datetime]:
    """Read the saved times; a corrupt file, or a clock that went back, only costs a wait."""
    try:
        values = json.loads(path.read_text())
        noted = {name: datetime.fromisoformat(instant) for name, instant in values.items()}
        return {
            name: instant
            for name, instant in noted.items()
            if now - _FORGOTTEN_AFTER < instant <= now
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _hash(organization_id: str, file: RemoteFile) -> str:
    facts = (organization_id, file.name, str(file.size), str(file.modified_at))
    return hashlib.sha256("\0".join(facts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_as_it_was(client: Client, folder: str, unsettled: Unsettled) -> bool:
    """Return whether a received file is unchanged, or gone, in its folder (R13).

    Raises:
        SftpError: the errors of Client.find and Client.download.

    """
    remote = unsettled.remote
    found = client.find(folder, remote.name)
    if found is None:
        return True
    if remote.has_time:
        return (found.size, found.modified_at) == (remote.size, remote.modified_at)
    # Without a time, compare the bytes.
    try:
        again = client.download(folder, remote, None, unsettled.landed.byte_count)
    except (StillGrowingError, TooLargeError):
        return False
    return again.sha256 == unsettled.landed.sha256
