"""The copies of payments files in `outbox/`, which say what organizations were sent.

They are not in the landing area: the ledger there has their hashes, and the warehouse makes the
same bytes again (R23), but without the persons who have been erased since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.delivery import ledger, outgoing
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import kept_tables, warehouse, whole_files
from orchestration.installation.damage import DamagedError
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.landing import manifests

_ANEW = "`python -m orchestration restore` writes it again"


@dataclass(frozen=True)
class Damaged:
    """A copy that is not what was sent.

    Args:
        path: the copy.
        fault: what is wrong with it, as the end of a sentence.
        file: what is published under its name; None if nothing is.
        is_as_sent: whether that has the bytes that were sent.
        in_the_way: a file or folder in the place of the copy or of its folder.
        is_to_come: whether loads wait whose models may publish it again.

    """

    path: Path
    fault: str
    file: OutgoingFile | None
    is_as_sent: bool
    in_the_way: Path | None
    is_to_come: bool = False

    @property
    def said(self) -> str:
        """One sentence: what is wrong with it and what to do."""
        if self.file is None and self.is_to_come:
            return f"{self.path} {self.fault}: `python -m orchestration run`, then {_ANEW}"
        if self.file is None:
            return f"{self.path} {self.fault}: put it back from a backup"
        if self.in_the_way:
            return f"{self.path} {self.fault}: move {self.in_the_way} away, then {_ANEW}"
        return f"{self.path} {self.fault}: {_ANEW}"


def find_damaged(connection: Connection, home: Home) -> Iterator[Damaged]:
    """Find the copies that are missing, or differ from what was sent and from what is published.

    Args:
        connection: the warehouse; read-only is enough.
        home: the installation.

    Raises:
        DamagedError: the ledger is damaged.

    """
    is_to_come = warehouse.unfinished_load_id(connection) is not None or warehouse.last_load_id(
        connection
    ) < manifests.last_load_id(home)
    for business_date, hashes in sorted(_read_sent(home).items()):
        contents = {path: path.read_bytes() if path.is_file() else None for path in hashes}
        others = {
            path: content
            for path, content in contents.items()
            if content is None or hashlib.sha256(content).hexdigest() not in hashes[path]
        }
        if not others:
            continue
        published = {
            each.path(home): each
            for each in outgoing.read_payments_files(connection, business_date)
        }
        for path, content in others.items():
            file = published.get(path)
            if content is None or file is None or content != file.content:
                yield Damaged(
                    path,
                    "is missing" if content is None else "is not what was sent",
                    file,
                    file is not None and file.sha256 in hashes[path],
                    _find_in_the_way(path),
                    is_to_come,
                )


def restore(home: Home, say: Say) -> bool:
    """Write the copies again that are missing or have changed; nothing is sent.

    A warehouse that cannot be used knows none of them: a replay rebuilds it.

    Args:
        home: the installation; the caller holds its lock.
        say: called with a sentence for each copy, or with one on all of them.

    Returns:
        Whether each of them could be looked at and written.

    Raises:
        DamagedError: the ledger is damaged.
        WarehouseBusyError: another process has the warehouse open.

    """
    with suppress(DamagedError, warehouse.OlderWarehouseError):
        if home.warehouse.exists():
            with warehouse.reading(home) as reader:
                warehouse.check_raw(reader)
                kept_tables.check(reader)
                warehouse.check_together(reader, home)
                if warehouse.is_built(reader):
                    return _write_damaged(reader, home, say)
    if not _read_sent(home):
        return True
    say(
        f"the copies in {home.outbox} were not all looked at, as no warehouse could be asked:"
        " `python -m orchestration replay`, then `python -m orchestration restore`"
    )
    return False


def _write_damaged(connection: Connection, home: Home, say: Say) -> bool:
    """Write the damaged copies again; return whether each of them could be written."""
    is_whole = True
    for each in find_damaged(connection, home):
        if each.file is None or each.in_the_way:
            is_whole = False
            say(each.said)
            continue
        whole_files.write_whole(each.path, each.file.content)
        say(
            f"{each.path} is as it was sent again"
            if each.is_as_sent
            else f"{each.path} is written again, in other bytes than were sent: a person in it"
            " has been erased since, or an older version of Saldo had written it"
        )
    return is_whole


def renew(connection: Connection, home: Home, organization_id: str, dates: Iterable[date]) -> None:
    """Rewrite the copies of publications that contain an erased person."""
    for business_date in dates:
        for file in outgoing.read_publication(connection, organization_id, business_date):
            path = file.path(home)
            if path is not None and path.exists() and path.read_bytes() != file.content:
                whole_files.write_whole(path, file.content)


def _read_sent(home: Home) -> dict[date, dict[Path, set[str]]]:
    """Read the hashes of what was delivered under each name, by business date."""
    sent: dict[date, dict[Path, set[str]]] = {}
    for _, attempts in ledger.read_attempts(home, after=0):
        for each in attempts:
            is_kept = each.kind in (outgoing.PAYMENTS_FILE, outgoing.PAYMENTS_MANIFEST)
            if is_kept and each.outcome in outgoing.DELIVERED:
                path = home.outbox / each.organization_id / each.file_name
                sent.setdefault(each.business_date, {}).setdefault(path, set()).add(each.sha256)
    return sent


def _find_in_the_way(path: Path) -> Path | None:
    if path.parent.exists() and not path.parent.is_dir():
        return path.parent
    return path if path.exists() and not path.is_file() else None
