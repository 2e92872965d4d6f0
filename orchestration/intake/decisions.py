"""Operators' decisions about held files (R17), kept in notes until the next load takes them.

Each note is a file in SALDO_HOME/decisions, so a decision does not need the warehouse. The note
waits while a run holds the warehouse, and survives a crash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from orchestration.installation import warehouse, whole_files
from orchestration.installation.clock import naive_utc
from orchestration.installation.databases import Connection
from orchestration.installation.errors import ToldError, WrongUseError
from orchestration.installation.home import Home
from orchestration.installation.locking import one_at_a_time
from orchestration.landing import manifests
from orchestration.landing.manifests import Decision

# What becomes of a file, in `intake_files`.
APPLIED = "applied"
HELD = "held"
# What is decided.
APPROVED = "approved"
REFUSED = "refused"
# The code of a file that is refused before it is read.
_LEFT_OUT = "refused_by_operator"


class NotHeldError(WrongUseError):
    """The file does not wait for a decision; the message says why."""


class OvertakenError(ToldError):
    """The file was held, but a newer one has been applied since (R8)."""

    def __init__(self, file_id: str) -> None:
        super().__init__(
            f"file {file_id} is superseded: a newer file has been applied; nothing is left to"
            " decide"
        )


class DecidedError(ToldError):
    """Somebody has decided otherwise, and that has not been carried out yet."""


@dataclass(frozen=True)
class HeldFile:
    """A file that waits for an operator, with the difference that it would make."""

    file_id: str
    organization_id: str
    file_name: str
    business_date: date
    message: str
    new_count: int
    changed_count: int
    unchanged_count: int
    withdrawn_count: int
    kept_in_process_count: int
    unidentified_count: int
    accepted_amount: Decimal


def read_held(connection: Connection) -> list[HeldFile]:
    """Read the held files, oldest first; none if the models have not been built."""
    if not warehouse.is_built(connection):
        return []
    rows = connection.execute(
        """
        select
            file_id, organization_id, file_name, business_date, message, new_count,
            changed_count, unchanged_count, withdrawn_count, kept_in_process_count,
            unidentified_count, accepted_amount
        from main.intake_files
        where status = 'held'
        order by business_date, received_at, file_id
        """
    ).fetchall()
    return [HeldFile(*row) for row in rows]


def check_held(connection: Connection, file_id: str) -> None:
    """Check that a file waits for a decision.

    Raises:
        NotHeldError: there is no such file, or it does not wait.
        OvertakenError: it no longer waits, because a newer one has been applied.

    """
    status = read_status(connection, file_id)
    if status is None:
        raise NotHeldError(f"there is no file {file_id}; `held` lists those that wait")
    if status == "superseded":
        raise OvertakenError(file_id)
    if status != HELD:
        raise NotHeldError(
            f"file {file_id} is {status}: only held files wait for a decision; `held` lists them"
        )


def read_status(connection: Connection, file_id: str) -> str | None:
    """Return what became of a file, as `intake_files` has it; None if it has no such file."""
    row = None
    if warehouse.is_built(connection):
        row = connection.execute(
            "select status from main.intake_files where file_id = ?", [file_id]
        ).fetchone()
    return None if row is None else str(row[0])


def decide(home: Home, file_id: str, decision: str, now: datetime) -> Decision:
    """Write a decision for the next load, unless there is one on the same file.

    Args:
        home: the installation.
        file_id: a held file.
        decision: APPROVED or REFUSED.
        now: the time.

    Returns:
        The decision that counts: of several people's, the first.

    """
    with one_at_a_time(home.decisions):
        former = find(home, file_id)
        if former is not None:
            return former
        said = Decision(file_id, decision, naive_utc(now))
        content = json.dumps(asdict(said), default=lambda value: value.isoformat())
        whole_files.write_whole(home.decisions / f"{file_id}.json", content.encode())
        return said


def leave_out(connection: Connection, home: Home, file_id: str) -> bool:
    """Refuse a file of the load that is to be loaded next, so that it is not read (R20).

    Its manifest notes that: with each replay the file is left out again.

    Args:
        connection: the warehouse.
        home: the installation; the caller holds its lock.
        file_id: the id of the file.

    Returns:
        Whether that load has such a file, which is not refused yet.

    """
    manifest = manifests.read_manifest(home, warehouse.last_load_id(connection) + 1)
    if manifest is None:
        return False
    files = tuple(
        replace(file, file_code=_LEFT_OUT) if file.file_id == file_id else file
        for file in manifest.files
    )
    if files == manifest.files:
        return False
    manifests.write_manifest(home, replace(manifest, files=files))
    return True


def read_noted(home: Home) -> list[Decision]:
    """Read the decisions that no load has taken yet, oldest first."""
    noted = []
    for path in _notes(home):
        # A load may forget a note while a page reads them.
        with suppress(FileNotFoundError):
            noted.append(Decision.from_values(json.loads(path.read_text())))
    return sorted(noted, key=lambda each: (each.decided_at, each.file_id))


def find(home: Home, file_id: str) -> Decision | None:
    """What was decided on a file that the published copy still calls held; None if nothing was."""
    # A load writes its manifest, then it forgets the note.
    noted = read_noted(home)
    newest = manifests.read_manifest(home, manifests.last_load_id(home))
    said = [*noted, *(newest.decisions if newest else ())]
    return next((each for each in said if each.file_id == file_id), None)


def is_any_noted(home: Home) -> bool:
    """Return whether a decision waits for a load."""
    return any(_notes(home))


def forget(home: Home, file_id: str) -> None:
    """Delete the note of a decision that is in a manifest, or that no longer applies."""
    (home.decisions / f"{file_id}.json").unlink(missing_ok=True)


def _notes(home: Home) -> Iterator[Path]:
    return home.decisions.glob("*.json")
