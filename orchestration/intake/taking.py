"""Take a load: check the inboxes of due organizations and write the manifest of the next load.

A failure of one organization does not stop the others (R20).
"""

from __future__ import annotations

import time
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from hashlib import sha256
from itertools import repeat
from pathlib import Path

from orchestration.contracts.cutoffs import is_due
from orchestration.contracts.organizations import Organization
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.installation.messages import Say, list_some
from orchestration.installation.warehouse import last_load_id
from orchestration.intake import arriving, decisions, inbox, uploads
from orchestration.intake.inbox import Looked, Seen, SeenFiles
from orchestration.intake.loading import event_positions, next_instant
from orchestration.intake.settling import Sightings
from orchestration.landing import event_files, manifests, store
from orchestration.landing.manifests import Decision, LandedFile, Manifest
from orchestration.servers.connections import Kept

INBOXES_AT_ONCE = 16
_MOST_TOLD = 5
_BLOCK_BYTES = 1 << 20


def take(
    connection: Connection,
    home: Home,
    contracts: str,
    organizations: Sequence[Organization],
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
    say: Say = lambda _: None,
) -> Manifest:
    """Land what is new for a business date and write the manifest of the next load.

    Operators' decisions and uploads come first, each in a separate load.

    Args:
        connection: the warehouse, which knows the files seen so far.
        home: the installation.
        contracts: the name of the contracts kept for this load.
        organizations: all organizations of the contracts; those before their cut-off are skipped.
        business_date: the date.
        environment: the variables with the secrets of the servers.
        clock: the time.
        say: called with progress messages.

    """
    load_id, loaded_at = last_load_id(connection) + 1, next_instant(connection, clock())
    new_manifest = partial(Manifest, load_id, loaded_at, business_date, contracts)
    decided = _choose_decisions(connection, home)
    if decided:
        manifest = new_manifest(decisions=tuple(decided))
        manifests.write_manifest(home, manifest)
        for decision in decided:
            decisions.forget(home, decision.file_id)
        return manifest
    uploaded, waiting = uploads.land(connection, home, organizations, business_date)
    if uploaded:
        manifest = new_manifest(files=tuple(uploaded))
        manifests.write_manifest(home, manifest)
    for upload in waiting:
        uploads.forget(upload)
    if uploaded:
        return manifest
    due = [each for each in organizations if is_due(each, business_date, clock())]
    results = _look_into_all(
        home, due, _read_seen_files(connection), business_date, environment, clock, say
    )
    manifest = new_manifest(
        looks=tuple(looked.look() for looked in results),
        files=tuple(
            _refuse_ours(connection, home, [file for looked in results for file in looked.files])
        ),
        events=tuple(event_files.take(home, event_positions(connection))),
    )
    manifests.write_manifest(home, manifest)
    for looked in results:
        arriving.forget(looked.arriving)
    return manifest


def _refuse_ours(
    connection: Connection, home: Home, files: Sequence[LandedFile]
) -> list[LandedFile]:
    """Return the files; those with the bytes of a file that we have sent get a code.

    If somebody copied an outbox to an inbox, our report about payments would be read as the
    organization's own. A debt would then stay paid whatever happens to its payment (R6). A copy
    that went through a mainframe or a spreadsheet may have other line ends, or a byte order mark.
    """
    hashes = {file.file_id: {file.sha256} for file in files}
    for file in files:
        if file.kind == "payments" and file.stored_sha256:
            hashes[file.file_id].add(_hash_as_sent(store.stored_path(home, file)))
    rows = connection.execute(
        "select distinct sha256 from raw.deliveries where list_contains(?, sha256)",
        [sorted(set().union(*hashes.values()))],
    ).fetchall()
    ours = {sha256 for (sha256,) in rows}
    return [
        file if hashes[file.file_id].isdisjoint(ours) else replace(file, file_code="sent_by_us")
        for file in files
    ]


def _hash_as_sent(path: Path) -> str:
    """Return the sha256 of a file without byte order mark and with our line ends."""
    digest = sha256()
    with path.open("rb") as source:
        if source.read(len(BOM_UTF8)) != BOM_UTF8:
            source.seek(0)
        held = b""
        while block := source.read(_BLOCK_BYTES):
            text = held + block
            held = b"\r" if text.endswith(b"\r") else b""
            digest.update(text.removesuffix(held).replace(b"\r\n", b"\n"))
        digest.update(held)
    return digest.hexdigest()


def _look_into_all(
    home: Home,
    organizations: Sequence[Organization],
    seen: Mapping[str, SeenFiles],
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock,
    say: Say,
) -> list[Looked]:
    """Check the inboxes, then wait once for all files that may be incomplete (R13)."""
    sightings = Sightings(home, clock())

    def begin(organization: Organization, kept: Kept) -> Looked:
        return inbox.begin(
            home,
            organization,
            seen.get(organization.organization_id, {}),
            business_date,
            environment,
            sightings,
            clock,
            kept,
        )

    with (
        Kept(organizations, environment) as kept,
        ThreadPoolExecutor(INBOXES_AT_ONCE, thread_name_prefix="inbox") as pool,
    ):
        results = list(pool.map(begin, organizations, repeat(kept)))
    sightings.write()
    unsettled = [looked for looked in results if looked.unsettled]
    if unsettled:
        ready_at = max(file.ready_at for looked in unsettled for file in looked.unsettled)
        seconds = max((ready_at - clock()).total_seconds(), 0)
        to_settle = [looked.organization for looked in unsettled]
        names = list_some([each.organization_id for each in to_settle], _MOST_TOLD)
        say(f"waiting {seconds:.0f} seconds: files of {names} may still be uploaded")
        time.sleep(seconds)
        with (
            Kept(to_settle, environment) as kept,
            ThreadPoolExecutor(INBOXES_AT_ONCE, thread_name_prefix="inbox") as pool,
        ):
            list(pool.map(inbox.settle, repeat(home), unsettled, repeat(environment), repeat(kept)))
    return results


def _choose_decisions(connection: Connection, home: Home) -> list[Decision]:
    """Choose the decisions that a load takes: on files still held, one per organization."""
    noted = decisions.read_noted(home)
    if not noted:
        return []
    held = {file.file_id: file.organization_id for file in decisions.read_held(connection)}
    chosen: dict[str, Decision] = {}
    for decision in noted:
        if decision.file_id in held:
            chosen.setdefault(held[decision.file_id], decision)
        else:
            decisions.forget(home, decision.file_id)
    return list(chosen.values())


def _read_seen_files(
    connection: Connection,
) -> dict[str, dict[tuple[str, str], Seen]]:
    rows = connection.execute(
        """
        select
            organization_id, kind, file_name,
            byte_count, sha256, modified_at, received_at, listed_size
        from raw.intake_files
        order by load_id
        """
    ).fetchall()
    seen: dict[str, dict[tuple[str, str], Seen]] = {}
    for organization_id, kind, file_name, *receipt in rows:
        seen.setdefault(organization_id, {})[kind, file_name] = Seen(*receipt)
    return seen
