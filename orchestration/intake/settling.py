"""Settling: whether a file is whole, or its upload only stands still (R13).

An upload that stalls looks like one that has ended. A file is quiet once two looks at least
`quiet_seconds` apart saw it the same, or once it is that old by the clock of its own server. When a
file was first seen as it is, is remembered between loads: as a hash, for names are no business of
a note (R30).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.installation.home import Home
from orchestration.installation.whole_files import write_whole
from orchestration.servers.remote_files import RemoteFile

# The longest time for which a file may have to be quiet is a day.
_FORGOTTEN_AFTER = timedelta(days=2)
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Sightings:
    """When files were first seen as they are.

    Args:
        home: the installation that remembers them.
        now: the time.

    """

    def __init__(self, home: Home, now: datetime) -> None:
        self._path = home.scratch / "sightings.json"
        self._now = now
        self._first = _read(self._path, now)

    def note(self, organization_id: str, file: RemoteFile) -> datetime:
        """Note that a file is seen now; when it was first seen so."""
        return self._first.setdefault(_hash(organization_id, file), self._now)

    def write(self) -> None:
        """Remember what was seen, for the next load."""
        values = {name: instant.isoformat() for name, instant in sorted(self._first.items())}
        write_whole(self._path, json.dumps(values).encode())


def is_quiet(
    quiet: timedelta, file: RemoteFile, first_seen: datetime, now: datetime, clock: datetime | None
) -> bool:
    """Whether a file's upload has ended.

    Args:
        quiet: for how long it has to stand still; nothing switches this off.
        file: as it is.
        first_seen: when it was first seen so.
        now: the time, by the clock that `first_seen` is told by.
        clock: a time that its server's clock has reached, None if nothing tells.

    """
    if not quiet or now - first_seen >= quiet:
        return True
    if clock is None or file.modified_at is None or file.modified_at <= _NO_TIME:
        return False
    return clock - file.modified_at >= quiet


def _read(path: Path, now: datetime) -> dict[str, datetime]:
    """What was remembered; a note that is spoiled, or a clock that went back, costs a wait."""
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
