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
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import duckdb

from orchestration import decisions, event_files, file_names, landing, uploads
from orchestration.clock import Clock, utc_now
from orchestration.contract_rows import ContractError
from orchestration.contracts import Organization, is_due
from orchestration.deadlines import read_limits
from orchestration.file_names import InvalidFileDateError, file_date
from orchestration.home import Home
from orchestration.landing import Decision, LandedFile, Look, Manifest
from orchestration.loading import event_positions, next_instant
from orchestration.redaction import redact
from orchestration.sftp import (
    Client,
    Download,
    Listing,
    RemoteFile,
    SftpError,
    TooLargeError,
    connect,
)
from orchestration.warehouse import last_load_id

INBOXES_AT_ONCE = 16
# Customers are uploaded; an organization may leave a workbook in its inbox all the same (R26).
CUSTOMERS_PATTERN = "YYYY-MM-DD_toku_customers.xlsx"
# The kinds of which a load takes one file for each organization.
ONE_A_LOAD = ("invoices", landing.CUSTOMERS)
# A server's times have whole seconds: a file changed as it was received may look unchanged.
_CLOCK_GRAIN = timedelta(seconds=2)
# Of a server without times, the files of so many days are received again and compared.
_DAYS_COMPARED = 7
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NAMES_TOLD = 3
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FILE_LIMIT = "4GB"


@dataclass(frozen=True)
class Seen:
    """The newest receipt of a file name.

    `size` is as the inbox gave it, if that is another than the `byte_count` of the bytes;
    `modified_at` is None where the inbox gave no time.
    """

    byte_count: int
    sha256: str
    modified_at: datetime | None
    received_at: datetime
    size: int | None = None


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
    *,
    compares_bytes: bool = False,
) -> tuple[list[Arrival], int]:
    """Which files of an inbox a load takes, and how many wait for another.

    Args:
        organization: whose patterns name the files (R11).
        listing: the files in the inbox.
        seen: the newest receipt of each (kind, name).
        business_date: files named for later dates stay.
        compares_bytes: whether a file that was received, and of which the inbox gives no time, is
            to be received again and compared, if it is of the last days (R13).

    """
    first_compared = business_date - timedelta(days=_DAYS_COMPARED)
    arrivals = [
        arrival
        for remote in listing
        for arrival in recognise(organization, remote, business_date)
        if arrival.business_date <= business_date
        and _is_new(
            remote,
            seen.get((arrival.kind, remote.name)),
            is_compared=compares_bytes and arrival.business_date > first_compared,
        )
    ]
    arrivals.sort(
        key=lambda each: (
            each.business_date,
            each.remote.modified_at or _LONG_AGO,
            each.remote.name,
        )
    )
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
        files=tuple(_refuse_ours(connection, [file for _, files in results for file in files])),
        events=tuple(event_files.take(home, event_positions(connection))),
    )
    landing.write_manifest(home, manifest)
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


def look_into(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
) -> tuple[Look, list[LandedFile]]:
    """Look into one inbox and land what is new; whatever goes wrong becomes the look's outcome.

    What is there and cannot be had, or nearly has the right name, is the outcome, and the others
    are taken if the connection lives (R18). A file that is gone again stays for nobody. When
    the oldest debts file or workbook cannot be had, the next is taken: a file that can never be
    read must not keep back those of later days, and should it come after all, it comes late (R8).

    Raises:
        ContractError: SALDO_FILE_LIMIT, or a limit of `deadlines`, is no size or number.

    """
    limit = file_limit(environment)
    read_limits(environment)
    # What was too large is asked about again once the limit allows it.
    known = {key: each for key, each in seen.items() if each.sha256 or each.byte_count > limit}
    files: list[LandedFile] = []
    listing = Listing(())
    waiting = 0
    problems: list[tuple[str, str | None]] = []
    try:
        with connect(organization, environment) as client:
            listing = client.look(organization.inbox_dir)
            left: Sequence[RemoteFile] = listing.files
            wanted = {"invoices", "payments", landing.CUSTOMERS}
            while True:
                chosen, behind = choose(
                    organization, left, known, business_date, compares_bytes=True
                )
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
                        if error.code != "gone":
                            problems.append((error.code, str(error)))
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
        problems.insert(0, (error.code, str(error)))
    except OSError as error:
        is_full = error.errno in _DISK_FULL
        told = "no space is left on this machine" if is_full else type(error).__name__
        problems.insert(0, ("disk_full" if is_full else "failed", told))
    except Exception as error:
        problems.insert(0, ("failed", type(error).__name__))
    problems += find_misnamed(organization, listing, business_date, environment)
    outcome, detail = problems[0] if problems else ("looked", None)
    return (
        Look(
            organization_id=organization.organization_id,
            outcome=outcome,
            detail="; ".join(filter(None, dict.fromkeys(each for _, each in problems))) or detail,
            files_seen=len(listing.files),
            files_taken=len(files),
            files_waiting=waiting,
        ),
        files,
    )


def find_misnamed(
    organization: Organization,
    listing: Listing,
    business_date: date | None,
    environment: Mapping[str, str],
) -> list[tuple[str, str]]:
    """What is in an inbox for a date and is not read for its name, or because it is no file (R18).

    Args:
        organization: whose patterns name the files.
        listing: its inbox.
        business_date: the date; None for any.
        environment: whose secrets no name may tell.

    Returns:
        Codes and sentences.

    """
    patterns = _patterns(organization)
    names = [remote.name for remote in listing.files]
    is_had = any(file_names.is_of_date(patterns["invoices"], name, business_date) for name in names)
    found: list[tuple[str, str]] = []
    near = file_names.find_near_misses(
        tuple(patterns.values()), names, business_date, is_had=is_had
    )
    partial = [name for name in near if file_names.find_partial_ending(name)]
    if partial:
        told = _list_names(partial, environment)
        found.append(("still_growing", f"{told}: the upload has not ended, have it sent again"))
    if misnamed := [name for name in near if name not in partial]:
        expected = " or ".join(patterns.values())
        found.append(
            (
                "misnamed",
                f"{_list_names(misnamed, environment)}: not named like {expected}, have it"
                " renamed or change the contract's pattern",
            )
        )
    others = [
        name
        for name in listing.other_names
        for pattern in patterns.values()
        if file_names.is_of_date(pattern, name, business_date)
    ]
    if others:
        told = _list_names(others, environment)
        found.append(("not_a_file", f"{told}: a link or special file, have the file itself sent"))
    return found


def _list_names(names: Sequence[str], environment: Mapping[str, str]) -> str:
    told = ", ".join(file_names.shown(name) for name in names[:_MOST_NAMES_TOLD])
    more = len(names) - _MOST_NAMES_TOLD
    return redact(told if more <= 0 else f"{told} and {more} more", environment)


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
    for kind, pattern in _patterns(organization).items():
        try:
            named_for = file_date(pattern, remote.name)
        except InvalidFileDateError:
            return [Arrival(kind, business_date, remote, "invalid_file_date")]
        if named_for is not None:
            return [Arrival(kind, named_for, remote)]
    return []


def _patterns(organization: Organization) -> Mapping[str, str]:
    return {
        "invoices": organization.invoices_pattern,
        "payments": organization.payments_pattern,
        landing.CUSTOMERS: CUSTOMERS_PATTERN,
    }


def _is_new(remote: RemoteFile, seen: Seen | None, *, is_compared: bool) -> bool:
    if seen is None:
        return True
    size = seen.byte_count if seen.size is None else seen.size
    if remote.size not in (None, size):
        return True
    modified_at = _naive_utc(remote.modified_at)
    if modified_at is None or remote.modified_at == _LONG_AGO:
        return is_compared
    if modified_at != seen.modified_at:
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
    remote = arrival.remote
    file_code: str | None = "file_too_large"
    download = Download("", remote.size or 0)
    if remote.size is None or remote.size <= limit:
        with landing.receiving(home, organization_id) as (target, part):
            try:
                download = client.download(organization.inbox_dir, remote, target, limit)
            except TooLargeError:
                download = Download("", limit + 1)
            else:
                file_code = arrival.file_code
                target.flush()
                landing.keep(home, organization_id, part, download.sha256)
    return LandedFile.of(
        organization,
        kind=arrival.kind,
        file_name=remote.name,
        business_date=arrival.business_date,
        sha256=download.sha256,
        byte_count=download.byte_count,
        modified_at=_naive_utc(remote.modified_at),
        received_at=_as_naive_utc(clock()),
        file_code=file_code,
        listed_size=None if remote.size == download.byte_count else remote.size,
    )


def _naive_utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else _as_naive_utc(instant)


def _as_naive_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


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
