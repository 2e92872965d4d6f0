"""One organization's inbox: what is in it, what of it is new, and receiving that whole (R13, R18).

What is taken: files named for a business date up to the one asked for, that have not been taken
yet. Of the debts files and of the workbooks of customers that wait, the oldest; the others wait for
a further load.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from orchestration.contracts.organizations import Organization
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.home import Home
from orchestration.intake import arriving
from orchestration.intake.arriving import Arriving
from orchestration.intake.receiving import DISK_FULL, Received, file_limit, naive_utc, receive
from orchestration.intake.recognizing import Arrival, find_misnamed, recognize
from orchestration.intake.settling import Sightings, is_quiet
from orchestration.landing import manifests, store
from orchestration.landing.manifests import LandedFile, Look
from orchestration.servers.connections import connect
from orchestration.servers.deadlines import read_limits
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import (
    Listing,
    RemoteFile,
    StillGrowingError,
    TooLargeError,
)
from orchestration.servers.sftp import Client

# The kinds of which a load takes one file for each organization.
ONE_A_LOAD = ("invoices", manifests.CUSTOMERS)
# A server's times have whole seconds: a file changed as it was received may look unchanged.
_CLOCK_GRAIN = timedelta(seconds=2)
# Of a server without times, the files of so many days are received again and compared.
_DAYS_COMPARED = 7
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_STILL_UPLOADED = ("still_growing", "the file changed while Saldo waited for its upload to end")


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


SeenFiles = Mapping[tuple[str, str], Seen]


@dataclass(frozen=True)
class Unsettled:
    """A file that was received, and whose upload may only stand still.

    Args:
        landed: the file.
        remote: as it was listed.
        ready_at: when it has been quiet for long enough.
        is_first: whether nothing else had brought the same bytes.
        arriving: its note.

    """

    landed: LandedFile
    remote: RemoteFile
    ready_at: datetime
    is_first: bool
    arriving: Arriving | None = None


@dataclass
class Looked:
    """What came of looking into an inbox, until the load is made.

    Args:
        organization: whose inbox.
        files: what was received whole.
        unsettled: what was received and is to be looked at again before it counts.
        problems: codes and sentences, the worst first.
        files_seen: how many files there are.
        files_waiting: how many wait for a further load.
        arriving: notes that are to be forgotten once a manifest names the files.

    """

    organization: Organization
    files: list[LandedFile] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    files_seen: int = 0
    files_waiting: int = 0
    arriving: list[Arriving] = field(default_factory=list)

    def look(self) -> Look:
        """The outcome, as it is kept."""
        sentences = dict.fromkeys(sentence for _, sentence in self.problems)
        return Look(
            organization_id=self.organization.organization_id,
            outcome=self.problems[0][0] if self.problems else "looked",
            detail="; ".join(sentences) or None,
            files_seen=self.files_seen,
            files_taken=len(self.files),
            files_waiting=self.files_waiting,
        )


def find_new(
    organization: Organization,
    listing: Sequence[RemoteFile],
    seen: SeenFiles,
    business_date: date,
    *,
    compares_bytes: bool = False,
) -> list[Arrival]:
    """The files of an inbox that are to be taken, in the order in which they are.

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
        for arrival in recognize(organization, remote, business_date)
        if arrival.business_date <= business_date
        and _is_new(
            remote,
            seen.get((arrival.kind, remote.name)),
            is_compared=compares_bytes and arrival.business_date > first_compared,
        )
    ]
    return sorted(
        arrivals,
        key=lambda each: (
            each.business_date,
            each.remote.modified_at or _LONG_AGO,
            each.remote.name,
        ),
    )


def choose(arrivals: Sequence[Arrival]) -> tuple[list[Arrival], int]:
    """Which new files a load takes, and how many wait for another.

    Args:
        arrivals: in order, as from find_new().

    """
    taken: list[Arrival] = []
    for kind in ("invoices", "payments", manifests.CUSTOMERS):
        of_kind = [arrival for arrival in arrivals if arrival.kind == kind]
        taken += of_kind[:1] if kind in ONE_A_LOAD else of_kind
    return taken, len(arrivals) - len(taken)


def look_into(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
) -> tuple[Look, list[LandedFile]]:
    """Look into one inbox, and a second time where something may still be on its way.

    Whoever gets the files has them: no later look knows of them.

    Raises:
        ContractError: SALDO_FILE_LIMIT, or a limit of `deadlines`, is no size or number.

    """
    sightings = Sightings(home, utc_now())
    looked = begin(home, organization, seen, business_date, environment, sightings, clock)
    if looked.unsettled:
        time.sleep(organization.quiet_seconds)
        settle(home, looked, environment)
    arriving.forget(looked.arriving)
    return looked.look(), looked.files


def begin(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    sightings: Sightings,
    clock: Clock = utc_now,
) -> Looked:
    """Look into one inbox and land what is new; whatever goes wrong becomes the look's outcome.

    What is there and cannot be had, or nearly has the right name, is the outcome, and the others
    are taken if the connection lives (R18). A file that is gone again is no fault. When
    the oldest debts file or workbook cannot be had, the next is taken: a file that can never be
    read must not keep back those of later days, and should it come after all, it comes late (R8).
    One that is still growing keeps its place.

    Args:
        home: where the files go.
        organization: whose inbox.
        seen: the newest receipt of each (kind, name).
        business_date: files named for later dates stay.
        environment: the secrets of the server, and the limits.
        sightings: when files were first seen as they are.
        clock: the time.

    Raises:
        ContractError: SALDO_FILE_LIMIT, or a limit of `deadlines`, is no size or number.

    """
    limit = file_limit(environment)
    read_limits(environment)
    # What was too large is asked about again once the limit allows it.
    known = {key: each for key, each in seen.items() if each.sha256 or each.byte_count > limit}
    looked = Looked(organization)
    listing = Listing(())
    try:
        with connect(organization, environment) as client:
            listing = client.look(organization.inbox_dir)
            looked.files_seen = len(listing.files)
            former, problems = arriving.find_left(
                home, organization.organization_id, listing.files, environment
            )
            looked.problems += problems
            remotes = [*listing.files, *former]
            left = find_new(organization, remotes, known, business_date, compares_bytes=True)
            new = {each.remote for each in left}
            named = {(name, each.sha256) for (_, name), each in seen.items()}
            looked.arriving += [
                each.arriving
                for remote, each in former.items()
                if remote not in new and (remote.name, each.download.sha256) in named
            ]
            first_seen = {
                each.remote: sightings.note(organization.organization_id, each.remote)
                for each in left
            }
            wanted = {"invoices", "payments", manifests.CUSTOMERS}
            while True:
                chosen, behind = choose(left)
                arrivals = [arrival for arrival in chosen if arrival.kind in wanted]
                if not arrivals:
                    looked.files_waiting = len(chosen) + behind
                    break
                for arrival in arrivals:
                    try:
                        received = receive(
                            home, organization, client, arrival, clock, limit, former
                        )
                    except SftpError as error:
                        if error.code == "timed_out" or not client.is_connected:
                            raise
                        if error.code != "gone":
                            looked.problems.append((error.code, str(error)))
                        is_in_line = error.code == "still_growing"
                    else:
                        if received.arriving is not None:
                            looked.arriving.append(received.arriving)
                        last = known.get((arrival.kind, arrival.remote.name))
                        is_in_line = last is None or not _is_same_receipt(last, received.file)
                        if is_in_line:
                            seen_at = first_seen[arrival.remote]
                            _sort(looked, received, arrival.remote, listing, seen_at, clock())
                    if is_in_line:
                        wanted -= {arrival.kind} & set(ONE_A_LOAD)
                left = [each for each in left if each not in arrivals]
    except Exception as error:
        looked.problems.insert(0, _describe(error))
    looked.problems += find_misnamed(organization, listing, business_date, environment)
    return looked


def settle(home: Home, looked: Looked, environment: Mapping[str, str]) -> None:
    """Look again at what was received and may not have been whole.

    What is as it was counts, and what is gone by now, for it was received whole. What has changed
    is left for the next look (R13).

    Args:
        home: where the files are.
        looked: the first look, which becomes the whole of both.
        environment: the secrets of the server, and the limits.

    """
    organization = looked.organization
    left, looked.unsettled = looked.unsettled, []
    try:
        with connect(organization, environment) as client:
            while left:
                if _is_as_it_was(client, organization.inbox_dir, left[0]):
                    looked.files.append(left.pop(0).landed)
                else:
                    _discard(home, left.pop(0))
                    looked.problems.append(_STILL_UPLOADED)
    except Exception as error:
        # The inbox may have given it once alone: the next look finds what was received.
        for each in left:
            if each.arriving is None:
                _discard(home, each)
        looked.problems.insert(0, _describe(error))


def _sort(
    looked: Looked,
    received: Received,
    remote: RemoteFile,
    listing: Listing,
    first_seen: datetime,
    now: datetime,
) -> None:
    """Put what was received to what counts, or to what is to be looked at again."""
    quiet = timedelta(seconds=looked.organization.quiet_seconds)
    clocks = [each for each in (listing.clock, received.download.clock) if each is not None]
    server_clock = max(clocks, default=None)
    is_whole = received.download.is_taken_away or not received.file.sha256
    if is_whole or is_quiet(quiet, remote, first_seen, now, server_clock):
        looked.files.append(received.file)
    else:
        again = Unsettled(
            received.file, remote, first_seen + quiet, received.is_first, received.arriving
        )
        looked.unsettled.append(again)


def _is_as_it_was(client: Client, folder: str, unsettled: Unsettled) -> bool:
    remote = unsettled.remote
    found = client.find(folder, remote.name)
    if found is None:
        return True
    if remote.modified_at is not None:
        return (found.size, found.modified_at) == (remote.size, remote.modified_at)
    # Without a time the bytes tell.
    try:
        again = client.download(folder, remote, None, unsettled.landed.byte_count)
    except (StillGrowingError, TooLargeError):
        return False
    return again.sha256 == unsettled.landed.sha256


def _discard(home: Home, unsettled: Unsettled) -> None:
    if unsettled.arriving is not None:
        unsettled.arriving.forget()
    if unsettled.is_first:
        landed = unsettled.landed
        store.stored_path(home, landed).unlink(missing_ok=True)


def _describe(error: Exception) -> tuple[str, str]:
    if isinstance(error, SftpError):
        return error.code, str(error)
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return "disk_full", "no space is left on this machine: make room, then run again"
    return (
        "failed",
        f"{type(error).__name__}: run again, and if it stays so look into the run's log",
    )


def _is_new(remote: RemoteFile, seen: Seen | None, *, is_compared: bool) -> bool:
    if seen is None:
        return True
    size = seen.byte_count if seen.size is None else seen.size
    if remote.size not in (None, size):
        return True
    modified_at = naive_utc(remote.modified_at)
    if modified_at is None or remote.modified_at == _LONG_AGO:
        return is_compared
    if modified_at != seen.modified_at:
        return True
    return seen.received_at - modified_at < _CLOCK_GRAIN


def _is_same_receipt(former: Seen, landed: LandedFile) -> bool:
    return former.sha256 == landed.sha256 and former.modified_at == landed.modified_at
