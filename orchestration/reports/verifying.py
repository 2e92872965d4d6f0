"""Verify that the landing area is whole, and that everything built from it agrees with it.

Each finding is a sentence that says what is damaged and what to do. Verifying changes nothing.
What only reading cannot find, building everything once more does (refreshing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from orchestration.delivery import local_copies, published_copy
from orchestration.installation import kept_tables, locking, warehouse
from orchestration.installation.damage import REPLAY, DamagedError
from orchestration.installation.databases import Connection, read_whole
from orchestration.installation.home import Home
from orchestration.intake import soundness
from orchestration.landing import manifests, row_files
from orchestration.reports import refreshing

_WAITING = "loads that landed wait for the next run; what comes of them was not read"


@dataclass(frozen=True)
class Verified:
    """The results.

    Args:
        findings: the damages, one sentence each; empty if there are none.
        remarks: facts that are not damage but worth knowing, one sentence each.
        load_count: the number of landed loads.
        is_complete: whether the warehouse has all of them; if not, it was not compared with them.

    """

    findings: tuple[str, ...]
    remarks: tuple[str, ...]
    load_count: int
    is_complete: bool


def verify_whole(home: Home) -> Verified:
    """Verify a home; if it is sound, build everything once more beside it, and compare.

    The home is held while it is read and copied, and free for runs while the copy is built.

    Args:
        home: the installation; the caller does not hold it.

    Raises:
        NotRefreshedError: dbt could not build it once more.
        DiskFullError: there was no room for it.
        WarehouseBusyError: another process still held the home after half an hour, or verifies it.

    """
    with ExitStack() as until_compared:
        with locking.exclusive(home):
            verified = verify(home)
            if verified.findings or not verified.load_count or not verified.is_complete:
                return verified
            copy = until_compared.enter_context(refreshing.beside(home))
            refreshing.copy_warehouse(home, copy)
        differences = tuple(refreshing.find_differences(copy))
        if not differences:
            refreshing.forget(copy)
    return replace(verified, findings=differences)


def verify(home: Home) -> Verified:
    """Check the landing area, the warehouse, the published copy and the outbox of a home.

    If the landing area is damaged, the others are not compared with it.

    Args:
        home: the installation; the caller holds its lock.

    """
    landed = soundness.check_landing(home, *warehouse.peek_numbers(home))
    findings, remarks = [each.said for each in landed], []
    load_ids = manifests.load_ids(home)
    if not landed and (unsealed := soundness.count_unsealed(home)):
        remarks.append(f"manifests and batches of older versions, without a checksum: {unsealed}")

    def read_warehouse() -> Iterator[str]:
        if not load_ids and not home.warehouse.exists():
            return
        if not home.warehouse.exists():
            raise DamagedError(f"{home.warehouse} is missing: {REPLAY} rebuilds it")
        with warehouse.reading(home) as connection:
            warehouse.check_raw(connection)
            kept_tables.check(connection)
            warehouse.check_together(connection, home)
            read_whole(connection)
            yield from _check_rows(connection, home)
            remarks.extend(
                f"{path} is of no load: `python -m orchestration restore` removes it"
                for path in row_files.find_unlisted(connection, home)
            )
            if not landed:
                yield from _compare(connection, home, remarks)

    def read_copy() -> Iterator[str]:
        with published_copy.reading(home) as published:
            read_whole(published)
        yield from ()

    for look in (read_warehouse, read_copy):
        findings += [each for each in _as_sentences(look) if each not in findings]
    return Verified(tuple(findings), tuple(remarks), len(load_ids), _WAITING not in remarks)


def _as_sentences(look: Callable[[], Iterator[str]]) -> Iterator[str]:
    try:
        yield from look()
    except (DamagedError, warehouse.OlderWarehouseError) as error:
        yield str(error)


def _compare(connection: Connection, home: Home, remarks: list[str]) -> Iterator[str]:
    """Find differences of the warehouse, the copy and the outbox from the landing area."""
    last = warehouse.last_load_id(connection)
    if _read_loads(connection) != _landed_loads(home, last):
        yield f"{home.warehouse} holds other loads than the landing area: {REPLAY} rebuilds it"
        return
    if last < manifests.last_load_id(home) or warehouse.unfinished_load_id(connection) is not None:
        remarks.append(_WAITING)
        return
    if not last or not warehouse.is_built(connection):
        return
    yield from (each.said for each in local_copies.find_damaged(connection, home))
    if not home.analytics.exists():
        return
    tables = published_copy.find_differences(connection, home)
    if tables:
        yield (
            f"{home.analytics} is not what the warehouse is ({', '.join(tables)}):"
            " the next run publishes it again"
        )


def _check_rows(connection: Connection, home: Home) -> Iterator[str]:
    """Find files of rows that are not as they were written."""
    for each in row_files.read_listed(connection):
        if not each.is_whole(home):
            fault = each.describe_fault(home)
            yield f"{fault}: `python -m orchestration restore` rebuilds it from what landed"


def _read_loads(connection: Connection) -> set[tuple[object, ...]]:
    """Read what the warehouse loaded: loads, files and ranges of events."""
    rows: set[tuple[object, ...]] = set()
    for query in (
        "select load_id, loaded_at, business_date, contracts from raw.loads",
        "select load_id, file_id, sha256 from raw.intake_files",
        "select load_id, source_file, from_byte, to_byte from raw.payment_event_ranges",
    ):
        rows.update(connection.execute(query).fetchall())
    return rows


def _landed_loads(home: Home, last: int) -> set[tuple[object, ...]]:
    """Return the same for the landing area, up to a load."""
    rows: set[tuple[object, ...]] = set()
    for manifest in manifests.read_manifests(home):
        load_id = manifest.load_id
        if load_id > last:
            break
        rows.add((load_id, manifest.loaded_at, manifest.business_date, manifest.contracts))
        rows.update((load_id, file.file_id, file.sha256) for file in manifest.files)
        rows.update(
            (load_id, each.source_file, each.from_byte, each.to_byte)
            for each in manifest.events
            if each.code is None
        )
    return rows
