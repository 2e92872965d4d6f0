"""Erase persons on request: rewrite them in the landing area, and rebuild the warehouse, which is a
function of it (R9, R10).

A customer's id becomes a random pseudonym, the same everywhere and never stored next to the real
one. Names, mails and attributes become tokens; equal texts get equal tokens, so that the history
keeps its versions. Amounts, dates and product ids stay, and so does the balance.

The request is first written to a file that only the installation's user may read. It stays until
the erasure is complete. If an erasure is killed, running `erase` again completes it (R29); until
then no run takes anything new. First the new bytes are added, then the manifests are changed to
name them, then everything that no manifest names is deleted. No message names an erased person
(R30).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from orchestration import runs
from orchestration.contracts.organizations import Organization, read_column_aliases
from orchestration.delivery import local_copies, published_copy
from orchestration.installation import locking, spark, warehouse, whole_files
from orchestration.installation.clock import naive_utc, utc_now
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import arriving, loading, trial_homes
from orchestration.landing import event_files, manifests, row_files, store
from orchestration.landing.event_files import Position
from orchestration.landing.manifests import LandedFile
from orchestration.privacy import id_spellings, persons
from orchestration.privacy.id_spellings import Persons, RefusedError
from orchestration.privacy.pseudonymizing import Tokens, write_file, write_range

_PRIVATE = 0o600
_LONGEST_WRITING_SECONDS = 600


@dataclass(frozen=True)
class Request(Persons):
    """The erasure to do, kept until it is complete.

    Args:
        asked_at: the time of the request, in UTC without zone.
        balance: a hash of `daily_balance`, which must stay the same.
        is_planned: whether the other values are known; nothing changes before.
        kept: by receipt, the hash of its new bytes.
        refused: by receipt that could not be read, the result of reading it; its bytes are not
            kept.
        ranges: by hash of a range of events, the hash of its new bytes.
        prefixes: by hash of the part of a file of events that was read, the hash of the same part
            with blanks.
        lines: the hashes of the events to blank in their source files.
        row_count: the number of rows and lines that are rewritten.
        is_set_aside: whether the old warehouse has been moved away.

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


def erase(home: Home, organization: Organization, customer_ids: Sequence[str], say: Say) -> None:
    """Erase customers of an organization, all of them or none.

    Completes an unfinished erasure first.

    Args:
        home: the installation; the caller holds its lock.
        organization: the organization of the customers.
        customer_ids: the customers, in any spelling (R1).
        say: called with progress messages, which name nobody.

    Raises:
        InvalidCustomerIdError: an id cannot belong to this organization.
        ToldError: what builds the models cannot run, or is another engine; nothing has changed.
        RefusedError: one of them cannot be erased now; nothing has changed.
        RunFailedError: the warehouse could not be rebuilt. Run `erase` again to continue.

    """
    done = finish(home, say) if is_unfinished(home) else None
    places: dict[str, int] = {}
    erased = (
        done.pseudonyms
        if done is not None and done.organization_id == organization.organization_id
        else {}
    )
    known = id_spellings.normal_ids(home, organization, customer_ids, erased)
    for place, ids in enumerate(known, start=1):
        for customer_id in ids.every:
            if customer_id not in erased:
                places.setdefault(customer_id, place)
    if done is not None and not places:
        return
    if runs.is_recovery_due(home):
        raise RefusedError("a run has not ended: run again, then erase")
    runs.require_engine(home)
    request = Request(
        organization.organization_id,
        organization.customer_id_scheme,
        dict.fromkeys(places, ""),
        sorted({customer_id for ids in known for customer_id in ids.former} & places.keys()),
        asked_at=naive_utc(utc_now()).isoformat(),
    )
    # From the first look at what was received to the end: a check would land a file between.
    with arriving.reading(home, organization.organization_id):
        with persons.asking(home, say) as connection:
            persons.check(connection, home, organization, request, places)
            request = replace(
                request,
                pseudonyms=persons.draw_pseudonyms(connection, request),
                balance=_hash_balance(connection),
            )
        _write(home, request)
        _finish(home, request, say)


def is_unfinished(home: Home) -> bool:
    """Return whether an erasure is unfinished."""
    return home.erasure.exists()


def finish(home: Home, say: Say) -> Request:
    """Complete an unfinished erasure from wherever it stopped (R29).

    Returns:
        The request.

    Raises:
        ToldError: what builds the models cannot run, or is another engine; nothing has changed.
        RefusedError: a file cannot be rewritten; nothing has changed.
        RunFailedError: the warehouse could not be rebuilt. Run `erase` again to continue.

    """
    spark.end_session(home)
    request = Request(**json.loads(home.erasure.read_text()))
    if not request.is_planned:
        runs.require_engine(home)
        if runs.is_recovery_due(home):
            # A replay may have been killed meanwhile: all that landed is looked through.
            runs.run_landed(home, lambda _: None)
    with arriving.reading(home, request.organization_id):
        return _finish(home, request, say)


def _finish(home: Home, request: Request, say: Say) -> Request:
    """Complete an erasure; no check of its organization receives a file meanwhile."""
    if not request.is_planned:
        try:
            request = _plan(home, request, say)
        except Exception:
            home.erasure.unlink()
            store.remove_unnamed(
                home, request.organization_id, arriving.named(home, request.organization_id)
            )
            raise
        _write(home, request)
    _rewrite(home, request)
    say("rebuilding the warehouse")
    if not request.is_set_aside:
        runs.set_aside(home, lambda _: None)
        request = replace(request, is_set_aside=True)
        _write(home, request)
    runs.run_landed(home, lambda _: None)
    with warehouse.connect(home) as connection:
        dates = connection.execute(
            "select distinct business_date from main.payments_file_lines where organization_id = ?"
            " and (list_contains(?, customer_id) or starts_with(customer_id, ?))",
            # A payment under a misspelled id is published with it.
            [request.organization_id, list(request.pseudonyms.values()), persons.ERASED],
        ).fetchall()
        local_copies.renew(connection, home, request.organization_id, [day for (day,) in dates])
        row_files.sweep(connection, home)
        is_balanced = _hash_balance(connection) == request.balance
        load_count = warehouse.last_load_id(connection)
        published_copy.publish(connection, home)
    _forget_former(home)
    home.erasure.unlink()
    whole_files.sync_folder(home.root)
    say(
        f"persons of {request.organization_id} erased: {request.count};"
        f" rows: {request.row_count}; files:"
        f" {len(request.kept) + len(request.refused) + len(request.ranges)};"
        f" loads replayed: {load_count}"
    )
    if not is_balanced:
        say("daily_balance has changed: contracts or code are not those that it was made with")
    return request


def _plan(home: Home, request: Request, say: Say) -> Request:
    """Write the new bytes next to the old ones, which the manifests still name.

    Raises:
        RefusedError: a file cannot be rewritten.

    """
    with persons.asking(home, say) as connection:
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
            is_unread = file.file_id in found.unread
            # A workbook that is read has other sheets, notes and properties, which are not.
            has_more = is_unread or file.kind == manifests.CUSTOMERS
            if file.file_id not in found.rows and not (
                has_more and persons.may_name(store.stored_path(home, file), pattern)
            ):
                continue
            if is_unread:
                refused[file.file_id] = found.unread[file.file_id]
            else:
                kept[file.file_id] = write_file(home, file, found, aliases, tokens)
        for event_range in manifest.events:
            former = write_range(
                home, manifest.load_id, event_range, found, request, tokens, ranges
            )
            lines.update(hashlib.sha256(line.rstrip(b"\r\n")).hexdigest() for line in former)
    _require_writable(home, lines)
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


def _require_writable(home: Home, lines: set[str]) -> None:
    """Check that the files of events with some lines may be written, and keep their time."""
    for path, content in event_files.read_all(home):
        if any(_blanked(line, lines) != line for line in content) and not (
            os.access(path, os.W_OK) and os.geteuid() in (0, path.stat().st_uid)
        ):
            raise RefusedError(
                f"{path.name} in events/ names the person and may not be changed: make it a file of"
                " Saldo's user, then erase"
            )


def _rewrite(home: Home, request: Request) -> None:
    """Change the manifests to name the new bytes, and delete the old; repeating changes nothing."""
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
            "persons": request.count,
            "receipts_kept_as": {**request.kept, **dict.fromkeys(request.refused, "")},
            "events_kept_as": request.ranges,
        },
    )
    store.sweep(home)
    arriving.forget_halves(home, request.organization_id)
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
    """Map the hash of the read part of each file of events to the hash of it with blanks.

    Without this, the blanks would make a file look like another one, to be read from its start. A
    file that has already changed stays that way.
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
    """Return a line of a file of events, blanked if its hash is among `lines`."""
    text = line.rstrip(b"\r\n")
    if hashlib.sha256(text).hexdigest() not in lines:
        return line
    return b" " * len(text) + line[len(text) :]


def _blank(path: Path, content: BinaryIO, lines: set[str]) -> None:
    """Overwrite lines of a file of events with blanks; others may be appending to it."""
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
    # Keep the time: a mirror that compares times does not need to copy the file again.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _forget_former(home: Home) -> None:
    """Delete the old warehouse, and leftovers of previews and killed processes."""
    for aside in home.set_aside.values():
        for path in home.root.glob(f"{aside.name}*"):
            path.unlink()
    for path in home.uploads.glob("*/.*.gone"):
        shutil.rmtree(path)
    # One that is being written is younger.
    long_ago = time.time() - _LONGEST_WRITING_SECONDS
    for path in home.uploads.glob("*/.*.part"):
        if path.stat().st_mtime < long_ago:
            shutil.rmtree(path, ignore_errors=True)
    trial_homes.sweep(home, ["*"], spared=(home.verifying.root,))
    if home.verifying.root.exists():
        with locking.exclusive(home.verifying):
            locking.empty(home.verifying)


def _hash_balance(connection: Connection) -> str:
    rows = connection.execute("select * from main.daily_balance order by all").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _write(home: Home, request: Request) -> None:
    content = json.dumps(asdict(request), indent=1)
    whole_files.write_whole(home.erasure, content.encode(), _PRIVATE)
