"""Erasing persons on request: they are rewritten in the landing area, and the warehouse, which is a
function of it (R9, R10), is built anew.

A customer's id becomes a pseudonym drawn at random, the same in all places and written nowhere
beside the real one; names, mails and attributes become tokens, equal where the texts were equal, so
that the history keeps its versions. Amounts, dates and product ids stay, and so does the balance.

What is to be done is written down first, in a file that only the installation's user may read. It
stays until all is done: a killed erasure is carried through by saying `erase` again (R29), and
until then no run takes anything new. New bytes are added, then the manifests name them, then what
no manifest names is deleted. Nothing here tells whom it erases (R30).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import duckdb

from orchestration import runs
from orchestration.contracts.organizations import Organization, read_column_aliases
from orchestration.delivery import outbox, published_copy
from orchestration.installation import locking, warehouse, whole_files
from orchestration.installation.home import Home
from orchestration.intake import arriving, loading
from orchestration.landing import event_files, manifests, store
from orchestration.landing.event_files import Position
from orchestration.landing.manifests import LandedFile
from orchestration.privacy import id_spellings, persons
from orchestration.privacy.id_spellings import Persons, RefusedError
from orchestration.privacy.pseudonymizing import Tokens, write_file, write_range

_PRIVATE = 0o600


@dataclass(frozen=True)
class Request(Persons):
    """What is to be done, as it is kept until it is done.

    Args:
        asked_at: when, in UTC without zone.
        balance: a hash of `daily_balance`, which stays.
        is_planned: whether the rest is known; before that nothing changes.
        kept: for a receipt, the hash of its new bytes.
        refused: for a receipt that could not be read, what came of it; its bytes are not kept.
        ranges: for the hash of a range of events, that of its new bytes.
        prefixes: for the hash of what was read of a file of events, that of the same with blanks.
        lines: the hashes of the events that are blanked in the files they came from.
        row_count: rows and lines that are written anew.
        is_set_aside: whether the former warehouse has been put away.

    """

    asked_at: str = ""
    balance: str = ""
    is_planned: bool = False
    kept: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    ranges: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()
    row_count: int = 0
    is_set_aside: bool = False


def erase(
    home: Home, organization: Organization, customer_ids: Sequence[str], say: runs.Say
) -> None:
    """Erase customers of an organization, all of them or none.

    An erasure that was begun before is carried through first.

    Args:
        home: the installation, which the caller holds.
        organization: whose customers they are.
        customer_ids: who, in any spelling (R1).
        say: told what is being done, and of nobody.

    Raises:
        InvalidCustomerIdError: an id can be none of this organization.
        RefusedError: one of them cannot be erased now; nothing has changed.
        RunFailedError: the warehouse could not be built anew. Saying `erase` again carries on.

    """
    scheme = organization.customer_id_scheme
    named = [
        id_spellings.normalize(scheme, text, place)
        for place, text in enumerate(customer_ids, start=1)
    ]
    done = finish(home, say) if is_unfinished(home) else None
    places: dict[str, int] = {}
    for place, customer_id in enumerate(id_spellings.normal_ids(home, named), start=1):
        places.setdefault(customer_id, place)
    if done is not None:
        if done.organization_id == organization.organization_id:
            places = {each: place for each, place in places.items() if each not in done.pseudonyms}
        if not places:
            return
    if runs.is_recovery_due(home):
        raise RefusedError("a run has not ended: run again, then erase")
    request = Request(
        organization.organization_id,
        scheme,
        dict.fromkeys(places, ""),
        datetime.now(UTC).replace(tzinfo=None).isoformat(),
    )
    with persons.asking(home, request) as connection:
        persons.check(connection, home, organization, request, places)
        request = replace(
            request,
            pseudonyms=persons.draw_pseudonyms(connection, request),
            balance=_hash_balance(connection),
        )
    _write(home, request)
    finish(home, say)


def is_unfinished(home: Home) -> bool:
    """Whether an erasure was begun and has not ended."""
    return home.erasure.exists()


def finish(home: Home, say: runs.Say) -> Request:
    """Carry through an erasure that was begun, wherever it is (R29).

    Returns:
        What was to be done.

    Raises:
        RefusedError: a file cannot be written anew; nothing has changed.
        RunFailedError: the warehouse could not be built anew. Saying `erase` again carries on.

    """
    request = Request(**json.loads(home.erasure.read_text()))
    if not request.is_planned:
        try:
            request = _plan(home, request)
        except Exception:
            home.erasure.unlink()
            store.remove_unnamed(
                home, request.organization_id, arriving.named(home, request.organization_id)
            )
            raise
        _write(home, request)
    _rewrite(home, request)
    say("building the warehouse anew")
    if not request.is_set_aside:
        runs.set_aside(home, lambda _: None)
        request = replace(request, is_set_aside=True)
        _write(home, request)
    runs.run_landed(home, lambda _: None)
    with warehouse.connect(home) as connection:
        dates = connection.execute(
            "select distinct business_date from main.payments_file_lines"
            " where organization_id = ? and list_contains(?, customer_id)",
            [request.organization_id, list(request.pseudonyms.values())],
        ).fetchall()
        outbox.renew_copies(connection, home, request.organization_id, [day for (day,) in dates])
        is_balanced = _hash_balance(connection) == request.balance
        published_copy.publish(connection, home, is_anew=True)
        load_count = warehouse.last_load_id(connection)
    _forget_former(home)
    home.erasure.unlink()
    whole_files.sync_folder(home.root)
    say(
        f"persons of {request.organization_id} erased: {len(request.pseudonyms)};"
        f" rows: {request.row_count}; files:"
        f" {len(request.kept) + len(request.refused) + len(request.ranges)};"
        f" loads replayed: {load_count}"
    )
    if not is_balanced:
        say("daily_balance has changed: contracts or code are not those that it was made with")
    return request


def _plan(home: Home, request: Request) -> Request:
    """Write the new bytes beside the former, which the manifests still name.

    Raises:
        RefusedError: a file cannot be written anew.

    """
    with persons.asking(home, request) as connection:
        found = persons.find(connection, request)
        positions = loading.event_positions(connection)
    tokens, pattern = Tokens(), id_spellings.pattern_of(request)
    kept: dict[str, str] = {}
    refused: dict[str, tuple[str | None, ...]] = {}
    ranges: dict[str, str] = {}
    lines: set[str] = set()
    for manifest in manifests.read_manifests(home):
        aliases = read_column_aliases(store.contracts_path(home, manifest.contracts))
        for file in manifest.files:
            if file.organization_id != request.organization_id or not file.stored_sha256:
                continue
            if file.file_id in found.rows:
                kept[file.file_id] = write_file(home, file, found, aliases, tokens)
            elif file.file_id in found.unread and persons.may_name(
                store.stored_path(home, file), pattern
            ):
                refused[file.file_id] = found.unread[file.file_id]
        for event_range in manifest.events:
            former = write_range(
                home, manifest.load_id, event_range, found, request, tokens, ranges
            )
            lines.update(hashlib.sha256(line.rstrip(b"\r\n")).hexdigest() for line in former)
    return replace(
        request,
        is_planned=True,
        kept=kept,
        refused=refused,
        ranges=ranges,
        prefixes=_hash_blanked(home, positions, lines),
        lines=sorted(lines),
        row_count=sum(map(len, found.rows.values())) + len(lines),
    )


def _rewrite(home: Home, request: Request) -> None:
    """Have the manifests name the new bytes, and delete the former: again changes nothing."""
    for manifest in manifests.read_manifests(home):
        written = replace(
            manifest,
            files=tuple(_as_kept(file, request) for file in manifest.files),
            events=tuple(
                replace(
                    each,
                    sha256=request.ranges.get(each.sha256, each.sha256),
                    prefix_sha256=request.prefixes.get(each.prefix_sha256, each.prefix_sha256),
                )
                for each in manifest.events
            ),
        )
        if written != manifest:
            manifests.write_manifest(home, written)
    for path, content in event_files.read_all(home):
        _blank(path, content, set(request.lines))
    manifests.write_erasure(
        home,
        re.sub("[^0-9]", "", request.asked_at),
        {
            "erased_at": request.asked_at,
            "organization_id": request.organization_id,
            "persons": len(request.pseudonyms),
            "receipts_kept_as": {**request.kept, **dict.fromkeys(request.refused, "")},
            "events_kept_as": request.ranges,
        },
    )
    store.sweep(home)
    store.remove_unnamed(
        home, request.organization_id, arriving.named(home, request.organization_id)
    )


def _as_kept(file: LandedFile, request: Request) -> LandedFile:
    if file.file_id in request.kept:
        return replace(file, kept_sha256=request.kept[file.file_id])
    if file.file_id in request.refused:
        code, message, encoding = request.refused[file.file_id]
        return replace(
            file, kept_sha256="", file_code=code, file_message=message, encoding=encoding
        )
    return file


def _hash_blanked(home: Home, positions: Mapping[str, Position], lines: set[str]) -> dict[str, str]:
    """For the hash of what was read of each file of events, that of the same with blanks.

    Without it a blank would look as if the file were another, to be read from its start. A file
    that is another already stays so.
    """
    prefixes = {}
    for path, content in event_files.read_all(home):
        position = positions.get(path.name)
        if position is None:
            continue
        former, blanked, left = hashlib.sha256(), hashlib.sha256(), position.byte
        while left and (line := content.readline(left)):
            former.update(line)
            blanked.update(_blanked(line, lines))
            left -= len(line)
        if former.hexdigest() == position.prefix_sha256:
            prefixes[former.hexdigest()] = blanked.hexdigest()
    return prefixes


def _blanked(line: bytes, lines: set[str]) -> bytes:
    """A line of a file of events as it stays there: blank if it is one of these."""
    text = line.rstrip(b"\r\n")
    if hashlib.sha256(text).hexdigest() not in lines:
        return line
    return b" " * len(text) + line[len(text) :]


def _blank(path: Path, content: BinaryIO, lines: set[str]) -> None:
    """Write blanks over lines of a file of events, which others may be adding to."""
    blanks, at = [], 0
    for line in content:
        blanked = _blanked(line, lines)
        if blanked != line:
            blanks.append((at, blanked))
        at += len(line)
    if not blanks:
        return
    times = path.stat()
    with path.open("rb+", buffering=0) as target:
        for at, blanked in blanks:
            target.seek(at)
            target.write(blanked)
        os.fsync(target.fileno())
    # Whoever mirrors the file by its time need not send it again.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _forget_former(home: Home) -> None:
    """Delete the former warehouse, and what previews and killed processes left."""
    for path in home.root.glob(f"{home.set_aside.name}*"):
        path.unlink()
    for path in home.uploads.glob("*/.*.gone"):
        shutil.rmtree(path)
    for path in home.scratch.glob("*"):
        if path.name == "preview":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    preview = Home(home.scratch / "preview", home.seeds)
    if preview.root.exists():
        with locking.exclusive(preview):
            for path in preview.root.glob("warehouse.duckdb*"):
                path.unlink()
            shutil.rmtree(preview.landing, ignore_errors=True)


def _hash_balance(connection: duckdb.DuckDBPyConnection) -> str:
    rows = connection.execute("select * from main.daily_balance order by all").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _write(home: Home, request: Request) -> None:
    content = json.dumps(asdict(request), indent=1)
    whole_files.write_whole(home.erasure, content.encode(), _PRIVATE)
