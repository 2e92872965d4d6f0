"""Taking: looks into every due organization's inbox, lands the files that are new, and writes the
manifest of the load that will bring them into the warehouse.

What is taken: files named for a business date up to the one asked for, that have not been taken
yet. Of the debts files and of the workbooks of customers that wait, one for each organization, the
oldest; the others wait for a further load. Nothing that goes wrong with one organization stops
another (R20).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb

from orchestration import decisions, landing, payment_events, uploads
from orchestration.clock import Clock, utc_now
from orchestration.contracts import (
    ContractError,
    InvalidFileDateError,
    Organization,
    file_date,
    is_due,
)
from orchestration.home import Home
from orchestration.landing import Decision, LandedFile, Look, Manifest
from orchestration.loading import event_positions, next_instant
from orchestration.sftp import Client, Download, RemoteFile, SftpError, connect
from orchestration.warehouse import last_load_id

INBOXES_AT_ONCE = 16
# Customers are uploaded; an organization may leave a workbook in its inbox all the same (R26).
CUSTOMERS_PATTERN = "YYYY-MM-DD_toku_customers.xlsx"
# The kinds of which a load takes one file for each organization.
ONE_A_LOAD = ("invoices", landing.CUSTOMERS)
# A server's times have whole seconds: a file changed as it was received may look unchanged.
_CLOCK_GRAIN = timedelta(seconds=2)
_NEXT_LOOK = ("still_growing", "gone")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FILE_LIMIT = "4GB"


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
        for arrival in recognise(organization, remote, business_date)
        if arrival.business_date <= business_date
        and _is_new(remote, seen.get((arrival.kind, remote.name)))
    ]
    arrivals.sort(key=lambda each: (each.business_date, each.remote.modified_at, each.remote.name))
    taken: list[Arrival] = []
    for kind in ("invoices", "payments", landing.CUSTOMERS):
        of_kind = [arrival for arrival in arrivals if arrival.kind == kind]
        taken += of_kind[:1] if kind in ONE_A_LOAD else of_kind
    return taken, len(arrivals) - len(taken)


def take(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    contracts: str,
    organizations: Sequence[Organization],
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
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
        landing.write_manifest(home, manifest)
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
        landing.write_manifest(home, manifest)
    for upload in waiting:
        uploads.forget(upload)
    if uploaded:
        return manifest
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
        load_id,
        loaded_at,
        business_date,
        contracts,
        looks=tuple(look for look, _ in results),
        files=tuple(file for _, files in results for file in files),
        events=tuple(
            landing.keep_events(home, each)
            for each in payment_events.find_new_ranges(home.events, event_positions(connection))
        ),
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

    A file that is still growing, or is gone again, stays for the next look (R13). What else is
    wrong with one file is the outcome, and the others are taken if the connection lives. When
    the oldest debts file or workbook cannot be had, the next is taken: a file that can never be
    read must not keep back those of later days, and should it come after all, it comes late (R8).

    Raises:
        ContractError: SALDO_FILE_LIMIT is no size.

    """
    limit = file_limit(environment)
    # What was too large is asked about again once the limit allows it.
    known = {key: each for key, each in seen.items() if each.sha256 or each.byte_count > limit}
    files: list[LandedFile] = []
    listing: list[RemoteFile] = []
    waiting = 0
    outcome, detail = "looked", None
    try:
        with connect(organization, environment) as client:
            listing = client.list_files(organization.inbox_dir)
            left = listing
            wanted = {"invoices", "payments", landing.CUSTOMERS}
            while True:
                chosen, behind = choose(organization, left, known, business_date)
                arrivals = [arrival for arrival in chosen if arrival.kind in wanted]
                if not arrivals:
                    waiting = len(chosen) + behind
                    break
                for arrival in arrivals:
                    try:
                        landed = receive(home, organization, client, arrival, clock, limit)
                    except SftpError as error:
                        if error.code == "timed_out" or not client.is_connected:
                            raise
                        if error.code not in _NEXT_LOOK:
                            outcome, detail = error.code, str(error)
                        is_in_line = error.code == "still_growing"
                    else:
                        former = known.get((arrival.kind, arrival.remote.name))
                        is_in_line = former is None or not _is_same_receipt(former, landed)
                        files += [landed] if is_in_line else []
                    if is_in_line:
                        wanted -= {arrival.kind} & set(ONE_A_LOAD)
                handled = [arrival.remote for arrival in arrivals]
                left = [remote for remote in left if remote not in handled]
    except SftpError as error:
        outcome, detail = error.code, str(error)
    except OSError as error:
        is_full = error.errno in _DISK_FULL
        outcome = "disk_full" if is_full else "failed"
        detail = "no space is left on this machine" if is_full else type(error).__name__
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


def file_limit(environment: Mapping[str, str]) -> int:
    """How many bytes a file may have; a larger one is refused before it is downloaded (R16).

    Args:
        environment: SALDO_FILE_LIMIT, such as `500MB`; 4GB without it.

    Raises:
        ContractError: it is no size.

    """
    text = environment.get("SALDO_FILE_LIMIT", _FILE_LIMIT)
    match = re.fullmatch(r"([0-9]{1,6})(MB|GB)", text)
    if match is None:
        raise ContractError(
            f"SALDO_FILE_LIMIT: {text!r} is not allowed; allowed: a size such as 500MB or 4GB"
        )
    return int(match[1]) * {"MB": 10**6, "GB": 10**9}[match[2]]


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


def recognise(organization: Organization, remote: RemoteFile, business_date: date) -> list[Arrival]:
    """What a file in an inbox is by its name; empty if it is none of ours.

    Args:
        organization: whose patterns name the files (R11).
        remote: the file.
        business_date: what a file counts for whose own date does not exist; it has a code.

    """
    patterns = {
        "invoices": organization.invoices_pattern,
        "payments": organization.payments_pattern,
        landing.CUSTOMERS: CUSTOMERS_PATTERN,
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


def receive(
    home: Home,
    organization: Organization,
    client: Client,
    arrival: Arrival,
    clock: Clock,
    limit: int,
) -> LandedFile:
    """Download a file and keep it in the landing area (R13).

    Raises:
        SftpError: what Client.download raises; nothing is kept.

    """
    organization_id = organization.organization_id
    file_code: str | None = "file_too_large"
    download = Download("", arrival.remote.size)
    if arrival.remote.size <= limit:
        file_code = arrival.file_code
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
        file_code=file_code,
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
