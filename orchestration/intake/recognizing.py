"""Recognize files in an inbox by name: ours, not ours, or nearly ours (R11, R18)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from orchestration.contracts import file_names
from orchestration.contracts.file_names import InvalidFileDateError, file_date
from orchestration.contracts.organizations import Organization
from orchestration.installation.messages import list_some
from orchestration.installation.redaction import redact
from orchestration.landing import manifests
from orchestration.servers.remote_files import Listing, RemoteFile

# The kinds of which a load takes one file per organization.
ONE_A_LOAD = ("invoices", manifests.CUSTOMERS)
_MOST_NAMES_TOLD = 3
# So long before its date, a file may be in the inbox on purpose.
_MAY_BE_SENT_BEFORE = timedelta(days=7)


@dataclass(frozen=True)
class Arrival:
    """A file in an inbox that is to be taken."""

    kind: str
    business_date: date
    remote: RemoteFile
    file_code: str | None = None


def recognize(organization: Organization, remote: RemoteFile, business_date: date) -> list[Arrival]:
    """Recognize a file in an inbox by its name; return nothing if it is not ours.

    Args:
        organization: its patterns name the files (R11).
        remote: the file.
        business_date: used for a file whose own date does not exist; it gets a code.

    """
    for kind, pattern in organization.patterns.items():
        try:
            named_for = file_date(pattern, remote.name)
        except InvalidFileDateError:
            return [Arrival(kind, business_date, remote, "invalid_file_date")]
        if named_for is not None:
            return [Arrival(kind, named_for, remote)]
    return []


def choose(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Choose the new files that a load takes, one per name.

    Args:
        arrivals: in the order of inbox.find_new().

    """
    taken: list[Arrival] = []
    for kind in ("invoices", "payments", manifests.CUSTOMERS):
        by_name: dict[str, Arrival] = {}
        for arrival in arrivals:
            if arrival.kind == kind:
                by_name.setdefault(arrival.remote.name, arrival)
        taken += list(by_name.values())[: 1 if kind in ONE_A_LOAD else None]
    return taken


def find_misnamed(
    organization: Organization,
    listing: Listing,
    received: Collection[str],
    business_date: date | None,
    environment: Mapping[str, str],
) -> list[tuple[str, str]]:
    """Find entries of an inbox for a date that are not read because of their name or type (R18).

    Args:
        organization: its patterns name the files.
        listing: the content of its inbox.
        received: the names of the files that were received.
        business_date: the date; None means any.
        environment: the variables with the secrets, which must be removed from names.

    Returns:
        Codes and messages.

    """
    patterns = organization.patterns
    names = [remote.name for remote in listing.files]
    is_had = any(
        file_names.is_of_date(patterns["invoices"], name, business_date)
        for name in (*names, *received)
    )
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


def find_dated_ahead(
    organization: Organization,
    listing: Listing,
    received: Collection[str],
    business_date: date,
    today: date,
    environment: Mapping[str, str],
) -> list[tuple[str, str]]:
    """Find debts files that may be those of a date, by the date in their names (R18).

    Where day and month have changed places, or the year is wrong, nobody would hear of the file
    until that date, when it would be read.

    Args:
        organization: its pattern names the files.
        listing: the content of its inbox.
        received: the names of the files that were received.
        business_date: the date.
        today: the date of the look.
        environment: the variables with the secrets, which must be removed from names.

    Returns:
        Codes and messages; none if the file of the date is there, or was.

    """
    pattern = organization.invoices_pattern
    names = [remote.name for remote in listing.files]
    if any(file_names.is_of_date(pattern, name, business_date) for name in (*names, *received)):
        return []
    last = max(business_date, today) + _MAY_BE_SENT_BEFORE
    ahead = [name for name in names if file_names.is_of_later_date(pattern, name, last)]
    if not ahead:
        return []
    told = f"{_list_names(ahead, environment)}: named for a later date, and there is no file of"
    return [("dated_ahead", f"{told} {business_date}: have it renamed if it is that one")]


def find_waiting(
    left: Sequence[Arrival], business_date: date, environment: Mapping[str, str]
) -> str | None:
    """Say which debts file of a date waits for another load: it is there, not missing (R18)."""
    names = [
        each.remote.name
        for each in left
        if each.kind == "invoices"
        and each.business_date == business_date
        and each.file_code is None
    ]
    if not names:
        return None
    told = _list_names(names, environment)
    return f"{told}: an older debts file goes first, and the next load takes this one"


def _list_names(names: Sequence[str], environment: Mapping[str, str]) -> str:
    return redact(list_some(list(map(file_names.shown, names)), _MOST_NAMES_TOLD), environment)
