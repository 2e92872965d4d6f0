"""One organization's inbox: list it, find new files, and receive them completely (R13, R18).

A check takes files that are named for a business date up to the requested one and have not been
taken yet. It takes only the oldest debts file and the oldest workbook of customers; the others wait
for another load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from orchestration.contracts.organizations import Organization
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.home import Home
from orchestration.intake import arriving
from orchestration.intake.arriving import Arriving, Left
from orchestration.intake.receiving import (
    Received,
    describe,
    file_limit,
    modification_time,
    receive,
)
from orchestration.intake.recognizing import (
    ONE_A_LOAD,
    Arrival,
    choose,
    find_dated_ahead,
    find_misnamed,
    find_waiting,
    recognize,
)
from orchestration.intake.settling import Sightings, Unsettled, is_as_it_was, is_quiet
from orchestration.landing import manifests, store
from orchestration.landing.manifests import LandedFile, Look
from orchestration.servers.connections import Kept, connect
from orchestration.servers.deadlines import read_limits
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import Listing, RemoteFile

# Servers' times have whole seconds: a file changed during its download may look unchanged.
_CLOCK_GRAIN = timedelta(seconds=2)
# If a server's times tell nothing, files of this many days are received again and compared.
_DAYS_COMPARED = 7
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_STILL_UPLOADED = ("still_growing", "the file changed while Saldo waited for its upload to end")


@dataclass(frozen=True)
class Seen:
    """The newest receipt of a file name.

    `size` is the size in the inbox, if it differs from the `byte_count` of the bytes. `modified_at`
    is None if the inbox gave no time.
    """

    byte_count: int
    sha256: str
    modified_at: datetime | None
    received_at: datetime
    size: int | None = None


SeenFiles = Mapping[tuple[str, str], Seen]


@dataclass
class Looked:
    """The result of checking an inbox, until the load is made.

    Args:
        organization: the organization of the inbox.
        files: the files received completely.
        unsettled: received files that must be checked again before they count.
        problems: codes and messages, the worst first.
        files_seen: the number of files there.
        files_waiting: the number of files that wait for another load.
        waiting: the sentence that the debts file of the date is one of those.
        arriving: notes to delete once a manifest names the files.

    """

    organization: Organization
    files: list[LandedFile] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    files_seen: int = 0
    files_waiting: int = 0
    waiting: str | None = None
    arriving: list[Arriving] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The names of the files that were received."""
        received = [*self.files, *(each.landed for each in self.unsettled)]
        return {file.file_name for file in received if file.sha256}

    def count(self, file: LandedFile, note: Arriving | None) -> None:
        """Add a file that was received completely."""
        self.files.append(file)
        self.forget_later(note)

    def has_enough(self, byte_count: int, limit: int) -> bool:
        """Return whether what is left waits; what is compared, two files a day, brings nothing."""
        return byte_count > limit * (1 if self.files or self.unsettled else 2 * _DAYS_COMPARED)

    def forget_later(self, note: Arriving | None) -> None:
        """Have a note deleted once the manifest is written."""
        if note is not None:
            self.arriving.append(note)

    def look(self) -> Look:
        """Return the result as the manifest keeps it."""
        return Look(
            organization_id=self.organization.organization_id,
            outcome=self.problems[0][0] if self.problems else "looked",
            detail="; ".join(dict.fromkeys(said for _, said in self.problems)) or self.waiting,
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
    """Return the files of an inbox to take, in order.

    Args:
        organization: its patterns name the files (R11).
        listing: the files in the inbox.
        seen: the newest receipt of each (kind, name).
        business_date: files named for later dates stay.
        compares_bytes: whether received files of the last days are received again and compared, if
            their times tell nothing (R13): there are none, or the files were received in the moment
            that they were written, or before it by a clock that is ahead.

    """
    first_compared = business_date - timedelta(days=_DAYS_COMPARED)
    arrivals = [
        arrival
        for remote in listing
        for arrival in recognize(organization, remote, business_date)
        if arrival.business_date <= business_date
        and _is_new(
            arrival,
            seen.get((arrival.kind, remote.name)),
            first_compared if compares_bytes else date.max,
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


def begin(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    sightings: Sightings,
    clock: Clock = utc_now,
    kept: Kept | None = None,
) -> Looked:
    """Check one inbox and land what is new; any failure becomes the outcome.

    If an entry cannot be received, or nearly has the right name, this is the outcome; the other
    files are taken if the connection still works (R18). A file that is gone again is not a failure.
    If the oldest debts file or workbook cannot be received, the next one is taken: a file that can
    never be read must not block those of later days. If it arrives after all, it is late (R8). A
    file that is still growing keeps its place. Once more bytes have been received than one file may
    have, the other files wait for another load: the bytes of each extend the deadline (R20).

    Args:
        home: the installation.
        organization: the organization of the inbox.
        seen: the newest receipt of each (kind, name).
        business_date: files named for later dates stay.
        environment: the secrets of the server, and the limits.
        sightings: when files were first seen in their current state.
        clock: the time.
        kept: the connections that other organizations have left.

    Raises:
        ContractError: SALDO_FILE_LIMIT, or a limit of `deadlines`, is not a size or number.

    """
    arguments = (home, organization, seen, business_date, environment, sightings, clock, kept)
    looked = _look_once(*arguments)
    if arriving.finds_earlier(home, organization.organization_id, looked.names):
        # They are taken in their order. The inbox removed what was received here, which is noted.
        return _look_once(*arguments)
    return looked


def _look_once(
    home: Home,
    organization: Organization,
    seen: SeenFiles,
    business_date: date,
    environment: Mapping[str, str],
    sightings: Sightings,
    clock: Clock,
    kept: Kept | None,
) -> Looked:
    limit = file_limit(environment)
    read_limits(environment)
    # A file that was too large is tried again once the limit allows it.
    known = {key: each for key, each in seen.items() if each.sha256 or each.byte_count > limit}
    looked, listing = Looked(organization), Listing(())
    try:
        with connect(organization, environment, kept=kept) as client:
            listing = client.look(organization.inbox_dir)
            listed_at = clock()
            looked.files_seen = len(listing.files)
            former, looked.problems = arriving.find_left(
                home,
                organization.organization_id,
                listing.files,
                environment,
                dict(sorted((name, each.received_at) for (_, name), each in seen.items())),
                clock(),
            )
            remotes = [*former, *listing.files]
            left = find_new(organization, remotes, known, business_date, compares_bytes=True)
            # Files received earlier come first, in their order of receipt (R8).
            turns = {remote: turn for turn, remote in enumerate(former)}
            left.sort(key=lambda each: (each.business_date, turns.get(each.remote, len(turns))))
            looked.arriving += _find_landed(former, left, seen)
            first_seen = {
                each.remote: sightings.note(organization.organization_id, each.remote, listed_at)
                for each in left
            }
            wanted, had = {"invoices", "payments", manifests.CUSTOMERS}, set[str]()
            while True:
                arrivals = [
                    arrival
                    for arrival in choose(left)
                    if arrival.kind in wanted and arrival.remote.name not in had
                ]
                if not arrivals or looked.has_enough(client.deadline.byte_count, limit):
                    looked.files_waiting = len(left)
                    looked.waiting = find_waiting(left, business_date, environment)
                    break
                tried: list[Arrival] = []
                for arrival in arrivals:
                    if looked.has_enough(client.deadline.byte_count, limit):
                        break
                    tried.append(arrival)
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
                        last = known.get((arrival.kind, arrival.remote.name))
                        is_in_line = last is None or not _is_same_receipt(last, received.file)
                        if is_in_line:
                            _sort(looked, received, arrival.remote, listing, first_seen, clock())
                        else:
                            _forget_again(home, looked, received)
                    if is_in_line:
                        wanted -= {arrival.kind} & set(ONE_A_LOAD)
                        had.add(arrival.remote.name)
                left = [each for each in left if each not in tried]
    except Exception as error:
        looked.problems.insert(0, describe(error))
    names = {name for _, name in seen} | looked.names
    looked.problems += [
        *find_misnamed(organization, listing, names, business_date, environment),
        *find_dated_ahead(organization, listing, names, business_date, clock().date(), environment),
    ]
    return looked


def _find_landed(
    former: Mapping[RemoteFile, Left], left: Sequence[Arrival], seen: SeenFiles
) -> list[Arriving]:
    """Find the notes of files received earlier that a load has taken, and that are not new."""
    new = {each.remote for each in left}
    named = {(name, each.sha256) for (_, name), each in seen.items()}
    return [
        each.arriving
        for remote, each in former.items()
        if remote not in new and (remote.name, each.download.sha256) in named
    ]


def settle(
    home: Home, looked: Looked, environment: Mapping[str, str], kept: Kept | None = None
) -> None:
    """Check received files again whose uploads may not have ended.

    A file that is unchanged counts. So does one that is gone, because it was received completely. A
    file that has changed is left for the next check (R13).

    Args:
        home: the installation.
        looked: the first check; updated with the result of the second.
        environment: the secrets of the server, and the limits.
        kept: the connections that other organizations have left.

    """
    organization = looked.organization
    left, looked.unsettled = looked.unsettled, []
    try:
        with connect(organization, environment, kept=kept) as client:
            while left:
                if is_as_it_was(client, organization.inbox_dir, left[0]):
                    again = left.pop(0)
                    looked.count(again.landed, again.arriving)
                else:
                    _discard(home, left.pop(0))
                    looked.problems.append(_STILL_UPLOADED)
    except Exception as error:
        # The inbox may give the file only once: the next check finds the received bytes.
        for each in left:
            if each.arriving is None:
                _discard(home, each)
        looked.problems.insert(0, describe(error))


def _sort(
    looked: Looked,
    received: Received,
    remote: RemoteFile,
    listing: Listing,
    first_seen: Mapping[RemoteFile, datetime],
    now: datetime,
) -> None:
    """Add a received file to those that count, or to those to be checked again."""
    quiet = timedelta(seconds=looked.organization.quiet_seconds)
    clocks = [each for each in (listing.clock, received.download.clock) if each is not None]
    server_clock = max(clocks, default=None)
    is_whole = received.download.is_taken_away or not received.file.sha256
    seen_at = first_seen[remote]
    if is_whole or is_quiet(quiet, remote, seen_at, now, server_clock):
        looked.count(received.file, received.arriving)
    else:
        again = Unsettled(
            received.file, remote, seen_at + quiet, received.is_first, received.arriving
        )
        looked.unsettled.append(again)


def _forget_again(home: Home, looked: Looked, received: Received) -> None:
    """Forget a file that was received before: after an erasure its bytes may be of no manifest."""
    looked.forget_later(received.arriving)
    landed = received.file
    if received.is_first and not manifests.is_stored(home, landed.organization_id, landed.sha256):
        store.stored_path(home, landed).unlink(missing_ok=True)


def _discard(home: Home, unsettled: Unsettled) -> None:
    """Forget a received file; its bytes, too, unless another one that was received has the same."""
    if unsettled.arriving is not None:
        unsettled.arriving.forget()
    landed = unsettled.landed
    if unsettled.is_first and landed.sha256 not in arriving.named(home, landed.organization_id):
        store.stored_path(home, landed).unlink(missing_ok=True)


def _is_new(arrival: Arrival, seen: Seen | None, compared_after: date) -> bool:
    if seen is None:
        return True
    remote = arrival.remote
    # Of an impossible date it is as old as its receipt.
    dated = seen.received_at.date() if arrival.file_code else arrival.business_date
    is_compared = dated > compared_after
    size = seen.byte_count if seen.size is None else seen.size
    if remote.size not in (None, size):
        return True
    modified_at = modification_time(remote)
    if modified_at is None or not remote.has_time:
        return is_compared
    if modified_at != seen.modified_at:
        return True
    return is_compared and seen.received_at - modified_at < _CLOCK_GRAIN


def _is_same_receipt(former: Seen, landed: LandedFile) -> bool:
    return former.sha256 == landed.sha256 and former.modified_at == landed.modified_at
