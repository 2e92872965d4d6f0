"""Detect what has arrived since the last load: late and corrected files, requests in the spools,
events.

A check changes nothing and does not open the warehouse, so it can happen during a run. Its result
is only a reason to start a run, which checks again and takes what it finds.

Only hashes, not names, are remembered between two checks (R30).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from orchestration.contracts.organizations import Organization
from orchestration.delivery import published_copy
from orchestration.installation.clock import naive_utc
from orchestration.installation.home import Home
from orchestration.intake.inbox import Seen, find_new
from orchestration.intake.recognizing import Arrival, choose
from orchestration.intake.timing import MAX_DAYS_BACK, newest_due_date
from orchestration.landing import event_files, manifests
from orchestration.servers.connections import connect
from orchestration.servers.errors import SftpError

# Operators' requests and customers' workbooks wait in these folders of the home for a load.
SPOOLS = ("decisions", "uploads")
INBOXES_A_LOOK = 64
_AT_ONCE = 16
_TIMEOUT_SECONDS = 5
_ASK_AGAIN_AFTER = timedelta(hours=1)
_EVENTS_EVERY = timedelta(minutes=15)


@dataclass(frozen=True)
class Asked:
    """Something that waits: its hash, and when it last caused a run request."""

    mark: str
    at: str | None = None


@dataclass(frozen=True)
class Memory:
    """The state that one check passes to the next.

    Args:
        after: the last organization of the last check; organizations take turns.
        inboxes: by organization, the new files that were seen in its inbox.
        spools: the requests that were seen in the spools.
        events: when payment events last caused a run request.

    """

    after: str = ""
    inboxes: Mapping[str, Asked] = field(default_factory=dict)
    spools: Asked | None = None
    events: Asked | None = None

    def to_json(self) -> str:
        """Return the memory as JSON, as stored."""
        return json.dumps(self, default=vars, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None) -> Memory:
        """Parse the text that to_json returned; without a text, return an empty memory."""
        values: dict[str, Any] = json.loads(text) if text else {}
        return cls(
            after=values.get("after", ""),
            inboxes={name: Asked(**asked) for name, asked in values.get("inboxes", {}).items()},
            spools=Asked(**values["spools"]) if values.get("spools") else None,
            events=Asked(**values["events"]) if values.get("events") else None,
        )


def next_turn(
    organizations: Iterable[Organization], after: str, size: int = INBOXES_A_LOOK
) -> list[Organization]:
    """Return the next organizations to check, by id, starting again after the last."""
    ordered = sorted(organizations, key=lambda each: each.organization_id)
    later = [each for each in ordered if each.organization_id > after]
    return (later + [each for each in ordered if each.organization_id <= after])[:size]


def consider_inboxes(
    memory: Mapping[str, Asked], marks: Mapping[str, str | None], now: datetime
) -> tuple[dict[str, Asked], list[str]]:
    """Decide which inboxes are a reason to run.

    New files count when two checks in a row found them unchanged: an upload in progress can finish.
    If they are still there an hour later, they are a reason again.

    Args:
        memory: the result of the previous checks.
        marks: the result of this check, None for nothing new; the memory of inboxes that were not
            checked stays.
        now: the time.

    Returns:
        The new memory, and the organizations.

    """
    remembered = {name: asked for name, asked in memory.items() if name not in marks}
    reasons: list[str] = []
    for name, mark in sorted(marks.items()):
        if mark is None:
            continue
        former = memory.get(name)
        if former is None or former.mark != mark:
            remembered[name] = Asked(mark)
        elif former.at is None or now >= datetime.fromisoformat(former.at) + _ASK_AGAIN_AFTER:
            remembered[name] = Asked(mark, now.isoformat())
            reasons.append(name)
        else:
            remembered[name] = former
    return remembered, reasons


def consider_spools(
    memory: Asked | None, mark: str | None, now: datetime
) -> tuple[Asked | None, bool]:
    """Decide whether requests in the spools are a reason to run: immediately, and again an hour
    later.
    """
    if mark is None:
        return None, False
    if memory is not None and memory.mark == mark and memory.at is not None:
        is_reason = now >= datetime.fromisoformat(memory.at) + _ASK_AGAIN_AFTER
    else:
        is_reason = True
    return (Asked(mark, now.isoformat()) if is_reason else memory), is_reason


def consider_events(
    memory: Asked | None, mark: str | None, now: datetime
) -> tuple[Asked | None, bool]:
    """Decide whether events that no load has read are a reason to run: at most every 15 minutes."""
    if mark is None:
        return memory, False
    if memory is not None and memory.at is not None:
        is_reason = now >= datetime.fromisoformat(memory.at) + _EVENTS_EVERY
    else:
        is_reason = True
    return (Asked(mark, now.isoformat()) if is_reason else memory), is_reason


def look(
    home: Home,
    organizations: Sequence[Organization],
    memory: Memory,
    environment: Mapping[str, str],
    now: datetime,
) -> tuple[Memory, list[date]]:
    """Check for new arrivals.

    Args:
        home: the installation.
        organizations: all contracts; some of them are checked in turn.
        memory: the memory of the previous check.
        environment: the variables with the secrets of the servers.
        now: an instant with a time zone.

    Returns:
        The new memory, and the business dates to run, oldest first.

    """
    turn = next_turn(organizations, memory.after)
    inboxes, names = consider_inboxes(
        memory.inboxes, _look_into_inboxes(home, turn, environment, now), now
    )
    spools, spools_are_reason = consider_spools(memory.spools, _mark_spools(home), now)
    events, events_are_reason = consider_events(memory.events, _mark_events(home, now), now)
    dates = {newest_due_date(each, now) for each in turn if each.organization_id in names}
    if spools_are_reason or events_are_reason:
        dates.add(max(newest_due_date(each, now) for each in organizations))
    return (
        Memory(turn[-1].organization_id if turn else "", inboxes, spools, events),
        sorted(dates),
    )


def read_seen(
    home: Home, organization_ids: Sequence[str], now: datetime
) -> dict[str, dict[tuple[str, str], Seen]]:
    """Read the newest receipt of each file name, from the published copy and newest manifests."""
    seen: dict[str, dict[tuple[str, str], Seen]] = {name: {} for name in organization_ids}
    if home.analytics.exists():
        with published_copy.reading(home) as connection:
            rows = connection.execute(
                """
                select
                    organization_id, kind, file_name, byte_count, sha256, modified_at, received_at
                from intake_files
                where list_contains(?, organization_id)
                order by load_id
                """,
                [list(organization_ids)],
            ).fetchall()
        for organization_id, kind, name, *receipt in rows:
            seen[organization_id][kind, name] = Seen(*receipt)
    for manifest in manifests.recent_manifests(home, _long_ago(now)):
        for file in manifest.files:
            if file.organization_id in seen:
                seen[file.organization_id][file.kind, file.file_name] = Seen(
                    file.byte_count,
                    file.sha256,
                    file.modified_at,
                    file.received_at,
                    file.listed_size,
                )
    return seen


def _look_into_inboxes(
    home: Home,
    organizations: Sequence[Organization],
    environment: Mapping[str, str],
    now: datetime,
) -> dict[str, str | None]:
    """Return a mark of the new files in each inbox; unreadable inboxes are left out."""
    seen = read_seen(home, [each.organization_id for each in organizations], now)

    def look_into(organization: Organization) -> dict[str, str | None]:
        organization_id = organization.organization_id
        try:
            with connect(organization, environment, timeout_seconds=_TIMEOUT_SECONDS) as client:
                listing = client.list_files(organization.inbox_dir)
        except SftpError:
            return {}
        business_date = newest_due_date(organization, now)
        new = find_new(organization, listing, seen[organization_id], business_date)
        return {organization_id: _mark_arrivals(choose(new))}

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="arrivals") as pool:
        found = list(pool.map(look_into, organizations))
    return {name: mark for each in found for name, mark in each.items()}


def _mark_arrivals(arrivals: Sequence[Arrival]) -> str | None:
    return _hash(
        (each.kind, each.remote.name, each.remote.size, str(each.remote.modified_at))
        for each in arrivals
    )


def _mark_spools(home: Home) -> str | None:
    return _hash(
        (name, path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for name in SPOOLS
        for path in sorted((home.root / name).rglob("*.json"))
        if not path.parent.name.startswith(".")
    )


def _mark_events(home: Home, now: datetime) -> str | None:
    """Return a mark of the event files that came after the newest load that read events.

    A file that is moved or copied keeps the time of its bytes; its inode has that of the move.
    """
    recent = manifests.recent_manifests(home, _long_ago(now))
    of_inboxes = [each for each in recent if each.is_of_inboxes]
    if not of_inboxes:
        return None
    loaded_at = of_inboxes[-1].loaded_at.replace(tzinfo=UTC).timestamp()
    paths = filter(event_files.is_named_as_one, event_files.find(home))
    states = ((path.name, event_files.look_at(path)) for path in paths)
    return _hash(
        (name, state.st_size)
        for name, state in states
        if state and max(state.st_mtime, state.st_ctime) > loaded_at
    )


def _long_ago(now: datetime) -> datetime:
    return naive_utc(now) - timedelta(days=MAX_DAYS_BACK + 1)


def _hash(facts: Iterable[tuple[Any, ...]]) -> str | None:
    """Return a short hash of facts, or None if there are none."""
    told = [list(fact) for fact in facts]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16] if told else None
