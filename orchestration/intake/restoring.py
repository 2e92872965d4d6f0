"""Recover damaged parts of the landing area from other places that still have them.

A file may still be in its organization's inbox, events in the events folder, and contracts in the
seeds: bytes with the same hash are the same. Batches of the ledger are also in the warehouse, and
rows in the files that they came in. The rest, such as a manifest, must come from a backup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import groupby
from pathlib import Path

from orchestration.contracts.organizations import CONTRACT_FILES, Organization
from orchestration.delivery import ledger
from orchestration.delivery.attempts import Attempt
from orchestration.installation import warehouse, whole_files
from orchestration.installation.databases import Connection, DatabaseError
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import arriving, rebuilding, soundness
from orchestration.intake.loads import ErasureUnfinishedError
from orchestration.landing import manifests, row_files, store
from orchestration.landing.manifests import EventRange, LandedFile
from orchestration.servers.connections import connect
from orchestration.servers.errors import SftpError


def restore(
    home: Home, organizations: Sequence[Organization], environment: Mapping[str, str]
) -> list[Path]:
    """Recover damaged parts of the landing area; everything else is left alone.

    Args:
        home: the installation; the caller holds its lock.
        organizations: their servers are queried if their files are damaged.
        environment: the variables with the secrets of the servers.

    Returns:
        The recovered paths.

    """
    damaged = _find_damaged(home)
    with suppress(DatabaseError):
        if home.warehouse.exists():
            with warehouse.reading_raw(home) as connection:
                _write_batches(connection, home, damaged)
    files: list[LandedFile] = []
    for load_id in manifests.load_ids(home):
        if manifests.manifest_path(home, load_id) in damaged:
            continue
        manifest = manifests.read_manifest(home, load_id)
        if manifest is None:
            continue
        if store.contracts_path(home, manifest.contracts) in damaged:
            _keep_contracts(home, manifest.contracts)
        for event_range in manifest.events:
            if store.events_path(home, event_range.sha256) in damaged:
                _keep_events(home, event_range)
        files += [each for each in manifest.files if store.stored_path(home, each) in damaged]
    for organization in organizations:
        of_one = [each for each in files if each.organization_id == organization.organization_id]
        if of_one:
            # If a server does not answer, its files stay damaged and are reported.
            with suppress(SftpError):
                _fetch(home, organization, of_one, environment)
    return sorted(damaged - _find_damaged(home))


def restore_rows(home: Home, say: Say) -> None:
    """Make files of rows anew that are damaged or missing, and remove what is none of them (R31).

    Nothing is done for a warehouse that cannot be read, or that lists none: a replay rebuilds it.

    Args:
        home: the installation; the caller holds its lock.
        say: called with a sentence for each file that was made anew.

    Raises:
        DamagedError: one cannot be made anew.

    """
    if not home.warehouse.exists():
        return
    try:
        with warehouse.reading_raw(home) as connection:
            row_files.read_listed(connection)
    except DatabaseError:
        return
    with warehouse.writing_raw(home) as connection:
        rebuilding.require_all(connection, home, say)
        row_files.sweep(connection, home)


def _find_damaged(home: Home) -> set[Path]:
    findings = soundness.check_landing(home, *warehouse.peek_numbers(home))
    return {each.path for each in findings}


def _write_batches(connection: Connection, home: Home, damaged: set[Path]) -> None:
    """Rewrite damaged batches of the ledger from the warehouse."""
    names = [each.name for each in fields(Attempt)]
    rows = connection.execute(
        f"select batch_id, {', '.join(names)} from raw.deliveries order by batch_id, rowid"  # noqa: S608 (names of ours)
    ).fetchall()
    for batch_id, batch in groupby(rows, key=lambda row: int(row[0])):
        if ledger.batch_path(home, batch_id) in damaged:
            attempts = [Attempt(**dict(zip(names, row[1:], strict=True))) for row in batch]
            ledger.write_batch(home, batch_id, attempts)


def _keep_contracts(home: Home, contracts: str) -> None:
    """Keep the contracts again, if the seeds have not changed since."""
    contents = {name: (home.seeds / name).read_bytes() for name in CONTRACT_FILES}
    if store.name_contracts(contents) == contracts:
        for name, content in contents.items():
            whole_files.write_whole(store.contracts_path(home, contracts) / name, content)


def _keep_events(home: Home, event_range: EventRange) -> None:
    """Keep a range of events again, if its source file still has it."""
    try:
        with (home.events / event_range.source_file).open("rb") as source:
            source.seek(event_range.from_byte)
            content = source.read(event_range.to_byte - event_range.from_byte)
    except OSError:
        return
    if hashlib.sha256(content).hexdigest() == event_range.sha256:
        whole_files.write_whole(store.events_path(home, event_range.sha256), content)


def _fetch(
    home: Home,
    organization: Organization,
    files: Iterable[LandedFile],
    environment: Mapping[str, str],
) -> None:
    """Download files that are still in the inbox under the same name; keep those with the same
    bytes.

    A file of another size is another file: it waits for the next run. If the inbox removes what was
    read, other bytes are kept for the next run (R13).

    Raises:
        ErasureUnfinishedError: a file would bring back a person who is being erased.
        SftpError: the server does not answer.

    """
    organization_id = organization.organization_id
    with connect(organization, environment) as client:
        listing = {each.name: each for each in client.list_files(organization.inbox_dir)}
        for file in files:
            remote = listing.get(file.file_name)
            size = file.byte_count if file.listed_size is None else file.listed_size
            if remote is None or remote.size not in (None, size):
                continue
            with arriving.reading(home, organization_id):
                if home.erasure.exists():
                    raise ErasureUnfinishedError
                with arriving.receiving(home, organization_id, remote) as (target, begun):
                    download = client.download(organization.inbox_dir, remote, target)
                is_same = download.sha256 == file.stored_sha256
                if is_same or download.is_taken_away:
                    arriving.keep(home, organization_id, begun, download)
                if is_same or not download.is_taken_away:
                    begun.forget()
