"""Taking: looks into every due organization's inbox and writes the manifest of the load that will
bring what is new into the warehouse.

Nothing that goes wrong with one organization stops another (R20).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import duckdb

from orchestration.contracts.organizations import Organization, is_due
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.home import Home
from orchestration.installation.warehouse import last_load_id
from orchestration.intake import arriving, decisions, inbox, uploads
from orchestration.intake.inbox import Looked, Seen, SeenFiles
from orchestration.intake.loading import event_positions, next_instant
from orchestration.intake.settling import Sightings
from orchestration.landing import event_files, manifests
from orchestration.landing.manifests import Decision, LandedFile, Manifest

INBOXES_AT_ONCE = 16
_MOST_TOLD = 5


def take(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    contracts: str,
    organizations: Sequence[Organization],
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Land what is new for a business date and write the manifest of the next load.

    Decisions of operators and uploads come first, each in a load of their own.

    Args:
        connection: the warehouse, asked which files it has seen.
        home: where the files go.
        contracts: the name of the contracts as they were kept for this load.
        organizations: all that these have; those before their cut-off are left alone.
        business_date: the date to work for.
        environment: where the secrets of the servers are.
        clock: the time.
        say: told what is waited for.

    """
    load_id, loaded_at = last_load_id(connection) + 1, next_instant(connection, clock())
    decided = _choose_decisions(connection, home)
    if decided:
        manifest = Manifest(
            load_id,
            loaded_at,
            business_date,
            contracts,
            decisions=tuple(decided),
        )
        manifests.write_manifest(home, manifest)
        for decision in decided:
            decisions.forget(home, decision.file_id)
        return manifest
    uploaded, waiting = uploads.land(connection, home, organizations, business_date)
    if uploaded:
        manifest = Manifest(
            load_id,
            loaded_at,
            business_date,
            contracts,
            files=tuple(uploaded),
        )
        manifests.write_manifest(home, manifest)
    for upload in waiting:
        uploads.forget(upload)
    if uploaded:
        return manifest
    due = [each for each in organizations if is_due(each, business_date, clock())]
    results = _look_into_all(
        home, due, _read_seen_files(connection), business_date, environment, clock, say
    )
    manifest = Manifest(
        load_id,
        loaded_at,
        business_date,
        contracts,
        looks=tuple(looked.look() for looked in results),
        files=tuple(
            _refuse_ours(connection, [file for looked in results for file in looked.files])
        ),
        events=tuple(event_files.take(home, event_positions(connection))),
    )
    manifests.write_manifest(home, manifest)
    for looked in results:
        arriving.forget(looked.arriving)
    return manifest


def _refuse_ours(
    connection: duckdb.DuckDBPyConnection, files: Sequence[LandedFile]
) -> list[LandedFile]:
    """The files, with a code where the bytes are those of a file that we have sent.

    Whoever copies an outbox into an inbox would have us read what we say of payments as what an
    organization says, and a debt would stay paid whatever becomes of its payment (R6).
    """
    rows = connection.execute(
        "select distinct sha256 from raw.deliveries where list_contains(?, sha256)",
        [[file.sha256 for file in files]],
    ).fetchall()
    ours = {sha256 for (sha256,) in rows}
    return [
        replace(file, file_code="sent_by_us") if file.sha256 in ours else file for file in files
    ]


def _look_into_all(
    home: Home,
    organizations: Sequence[Organization],
    seen: Mapping[str, SeenFiles],
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock,
    say: Callable[[str], None],
) -> list[Looked]:
    """Look into the inboxes, then wait once for all that may not be whole (R13)."""
    sightings = Sightings(home, clock())

    def begin(organization: Organization) -> Looked:
        return inbox.begin(
            home,
            organization,
            seen.get(organization.organization_id, {}),
            business_date,
            environment,
            sightings,
            clock,
        )

    with ThreadPoolExecutor(INBOXES_AT_ONCE, thread_name_prefix="inbox") as pool:
        results = list(pool.map(begin, organizations))
        sightings.write()
        unsettled = [looked for looked in results if looked.unsettled]
        if unsettled:
            ready_at = max(file.ready_at for looked in unsettled for file in looked.unsettled)
            seconds = max((ready_at - clock()).total_seconds(), 0)
            names = [looked.organization.organization_id for looked in unsettled]
            told = ", ".join(names[:_MOST_TOLD])
            more = "" if len(names) <= _MOST_TOLD else f" and {len(names) - _MOST_TOLD} more"
            say(f"waiting {seconds:.0f} seconds: files of {told}{more} may still be uploaded")
            time.sleep(seconds)
            list(pool.map(lambda looked: inbox.settle(home, looked, environment), unsettled))
    return results


def _choose_decisions(connection: duckdb.DuckDBPyConnection, home: Home) -> list[Decision]:
    """The noted decisions that a load takes: on files still held, one for each organization."""
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
    connection: duckdb.DuckDBPyConnection,
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
