"""Taking: looks into every due organization's inbox, lands the files that are new, and writes the
manifest of the load that will bring them into the warehouse.

What is taken: files named for a business date up to the one asked for, that have not been taken
yet. Of the debts files and of the workbooks of customers that wait, one for each organization, the
oldest; the others wait for a further load. Nothing that goes wrong with one organization stops
another (R20).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb

from orchestration import landing, payment_events, uploads, workbooks
from orchestration.contracts import InvalidFileDateError, Organization, file_date, is_due
from orchestration.home import Home
from orchestration.landing import LandedFile, Look, Manifest
from orchestration.loading import event_positions, next_instant
from orchestration.sftp import Client, RemoteFile, SftpError, connect
from orchestration.warehouse import last_load_id

INBOXES_AT_ONCE = 16
# Customers are uploaded; an organization may leave a workbook in its inbox all the same (R26).
CUSTOMERS_PATTERN = "YYYY-MM-DD_toku_customers.xlsx"
# A server's times have whole seconds: a file changed as it was received may look unchanged.
_CLOCK_GRAIN = timedelta(seconds=2)
_NEXT_LOOK = ("still_growing", "gone")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Seen:
    """The newest receipt of a file name."""

    byte_count: int
    sha256: str
    modified_at: datetime
    received_at: datetime


@dataclass(frozen=True)
class Arrival:
    """A file in an inbox that is to be taken."""

    kind: str
    business_date: date
    remote: RemoteFile
    file_code: str | None = None


SeenFiles = Mapping[tuple[str, str], Seen]


def choose(
    organization: Organization,
    listing: Sequence[RemoteFile],
    seen: SeenFiles,
    business_date: date,
) -> tuple[list[Arrival], int]:
    """Which files of an inbox a load takes, and how many wait for another.

    Args:
        organization: whose patterns name the files (R11).
        listing: the files in the inbox.
        seen: the newest receipt of each (kind, name).
        business_date: files named for later dates stay.

    """
    arrivals = [
        arrival
        for remote in listing
        for arrival in _recognise(organization, remote, business_date)
        if arrival.business_date <= business_date
        and _is_new(remote, seen.get((arrival.kind, remote.name)))
    ]
    arrivals.sort(key=lambda each: (each.business_date, each.remote.modified_at, each.remote.name))
    taken: list[Arrival] = []
    for kind in ("invoices", "payments", workbooks.KIND):
        of_kind = [arrival for arrival in arrivals if arrival.kind == kind]
        taken += of_kind if kind == "payments" else of_kind[:1]
    return taken, len(arrivals) - len(taken)


def take(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    organizations: Sequence[Organization],
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
) -> Manifest:
    """Land what is new for a business date and write the manifest of the next load.

    Uploads come first, in a load of their own.

    Args:
        connection: the warehouse, asked which files it has seen.
        home: where the files go.
        organizations: all of them; those before their cut-off are left alone.
        business_date: the date to work for.
        environment: where the secrets of the servers are.
        clock: the time.

    """
    uploaded = _take_uploads(connection, home, organizations, business_date, clock)
    if uploaded is not None:
        return uploaded
    due = [each for each in organizations if is_due(each, business_date, clock())]
    seen = _read_seen_files(connection)

    def look(organization: Organization) -> tuple[Look, list[LandedFile]]:
        return look_into(
            home,
            organization,
            seen.get(organization.organization_id, {}),
            business_date,
            environment,
            clock,
        )

    with ThreadPoolExecutor(INBOXES_AT_ONCE, thread_name_prefix="inbox") as pool:
        results = list(pool.map(look, due))
    manifest = Manifest(
        load_id=last_load_id(connection) + 1,
        loaded_at=next_instant(connection, clock()),
        business_date=business_date,
        looks=tuple(look for look, _ in results),
        files=tuple(file for _, files in results for file in files),
        events=tuple(payment_events.find_new_ranges(home.events, event_positions(connection))),
    )
    landing.write_manifest(home, manifest)
    return manifest


def look_into(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
) -> tuple[Look, list[LandedFile]]:
    """Look into one inbox and land what is new; whatever goes wrong becomes the look's outcome.

    A file that is still growing, or is gone again, stays for the next look (R13).
    """
    files: list[LandedFile] = []
    listing: list[RemoteFile] = []
    waiting = 0
    try:
        with connect(organization, environment) as client:
            listing = client.list_files(organization.inbox_dir)
            arrivals, waiting = choose(organization, listing, seen, business_date)
            for arrival in arrivals:
                try:
                    landed = _receive(home, organization, client, arrival, clock)
                except SftpError as error:
                    if error.code not in _NEXT_LOOK:
                        raise
                    continue
                former = seen.get((arrival.kind, arrival.remote.name))
                if former is None or not _is_same_receipt(former, landed):
                    files.append(landed)
        outcome, detail = "looked", None
    except SftpError as error:
        outcome, detail = error.code, str(error)
    except Exception as error:
        outcome, detail = "failed", type(error).__name__
    return (
        Look(
            organization_id=organization.organization_id,
            outcome=outcome,
            detail=detail,
            files_seen=len(listing),
            files_taken=len(files),
            files_waiting=waiting,
        ),
        files,
    )


def _take_uploads(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    organizations: Sequence[Organization],
    business_date: date,
    clock: Clock,
) -> Manifest | None:
    """Write the manifest of a load of the workbooks that wait, None if there are none."""
    files, landed = uploads.land(connection, home, organizations, business_date)
    manifest = None
    if files:
        manifest = Manifest(
            load_id=last_load_id(connection) + 1,
            loaded_at=next_instant(connection, clock()),
            business_date=business_date,
            files=tuple(files),
        )
        landing.write_manifest(home, manifest)
    for upload in landed:
        uploads.forget(upload)
    return manifest


def _recognise(
    organization: Organization, remote: RemoteFile, business_date: date
) -> list[Arrival]:
    patterns = {
        "invoices": organization.invoices_pattern,
        "payments": organization.payments_pattern,
        workbooks.KIND: CUSTOMERS_PATTERN,
    }
    for kind, pattern in patterns.items():
        try:
            named_for = file_date(pattern, remote.name)
        except InvalidFileDateError:
            return [Arrival(kind, business_date, remote, "invalid_file_date")]
        if named_for is not None:
            return [Arrival(kind, named_for, remote)]
    return []


def _is_new(remote: RemoteFile, seen: Seen | None) -> bool:
    if seen is None:
        return True
    modified_at = _naive_utc(remote.modified_at)
    if remote.size != seen.byte_count or modified_at != seen.modified_at:
        return True
    return seen.received_at - modified_at < _CLOCK_GRAIN


def _is_same_receipt(former: Seen, landed: LandedFile) -> bool:
    return former.sha256 == landed.sha256 and former.modified_at == landed.modified_at


def _receive(
    home: Home, organization: Organization, client: Client, arrival: Arrival, clock: Clock
) -> LandedFile:
    organization_id = organization.organization_id
    with landing.receiving(home, organization_id) as (target, part):
        download = client.download(organization.inbox_dir, arrival.remote, target)
        target.flush()
        landing.keep(home, organization_id, part, download.sha256)
    return LandedFile.of(
        organization,
        kind=arrival.kind,
        file_name=arrival.remote.name,
        business_date=arrival.business_date,
        sha256=download.sha256,
        byte_count=download.byte_count,
        modified_at=_naive_utc(arrival.remote.modified_at),
        received_at=_naive_utc(clock()),
        file_code=arrival.file_code,
    )


def _naive_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _read_seen_files(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, dict[tuple[str, str], Seen]]:
    rows = connection.execute(
        """
        select organization_id, kind, file_name, byte_count, sha256, modified_at, received_at
        from raw.intake_files
        order by load_id
        """
    ).fetchall()
    seen: dict[str, dict[tuple[str, str], Seen]] = {}
    for organization_id, kind, file_name, *receipt in rows:
        seen.setdefault(organization_id, {})[kind, file_name] = Seen(*receipt)
    return seen
