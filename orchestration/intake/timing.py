"""Timing: which business dates are due, and when to retry.

Pure functions of the contracts, past checks and the time. Each inbox is checked once per date,
however the run was started.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from orchestration.contracts.cutoffs import WithCutoff, is_due
from orchestration.contracts.organizations import TIME_ZONE, Organization
from orchestration.landing.manifests import Manifest
from orchestration.servers.ssh import MAY_HEAL

# Dates missed longer ago than this must be run by an operator (a backfill).
MAX_DAYS_BACK = 7
# A file that was still growing is complete a while later.
_LOOK_AGAIN_FOR = MAY_HEAL | {"still_growing"}
_LOOK_AGAIN_AFTER = tuple(timedelta(minutes=minutes) for minutes in (10, 20, 40, 60, 60, 60))


@dataclass(frozen=True)
class LookMade:
    """A check of an organization's inbox for a business date; `looked_at` is UTC without zone."""

    organization_id: str
    business_date: date
    looked_at: datetime
    outcome: str


def last_date() -> date:
    """Return the last business date that can be run: today, where a date begins."""
    return datetime.now(TIME_ZONE).date()


def looks_of(manifests: Iterable[Manifest]) -> list[LookMade]:
    """Return the inbox checks of loads, in the order of the loads."""
    return [
        LookMade(look.organization_id, manifest.business_date, manifest.loaded_at, look.outcome)
        for manifest in manifests
        for look in manifest.looks
    ]


def due_dates(
    organizations: Iterable[Organization], looks: Sequence[LookMade], now: datetime
) -> list[date]:
    """Return the business dates to run now, oldest first.

    A date is due when an organization's cut-off has passed in its own time zone and its inbox has
    not been checked for that date or a later one. Missed dates are included, up to a week back. An
    inbox that could not be reached is retried after growing delays. One that refuses the login or
    shows another key is not retried, because waiting does not resolve that.

    Args:
        organizations: the contracts (R11).
        looks: the checks of the last days, oldest first.
        now: an instant with a time zone.

    """
    by_organization: dict[str, list[LookMade]] = {}
    for look in looks:
        by_organization.setdefault(look.organization_id, []).append(look)
    return sorted(
        {
            day
            for organization in organizations
            for day in _due_dates_of(
                organization, by_organization.get(organization.organization_id, []), now
            )
        }
    )


def newest_due_date(organization: WithCutoff, now: datetime) -> date:
    """Return the newest business date whose cut-off has passed, and that runs can have.

    East of `TIME_ZONE`, a cut-off may pass before its date has begun there: then it waits for that.
    """
    today = min(now.astimezone(zone).date() for zone in (organization.time_zone, TIME_ZONE))
    return today if is_due(organization, today, now) else today - timedelta(days=1)


def _due_dates_of(
    organization: Organization, looks: Sequence[LookMade], now: datetime
) -> list[date]:
    newest_due = newest_due_date(organization, now)
    if not looks:
        # A new organization starts with its first cut-off.
        today = now.astimezone(organization.time_zone).date()
        return [newest_due] if newest_due == today else []
    newest_looked = max(look.business_date for look in looks)
    missed = (newest_due - newest_looked).days
    if missed > 0:
        days_back = min(missed, MAX_DAYS_BACK)
        return [newest_due - timedelta(days=days) for days in range(days_back)][::-1]
    return [newest_looked] if _is_look_again_due(looks, newest_looked, now) else []


def _is_look_again_due(looks: Sequence[LookMade], business_date: date, now: datetime) -> bool:
    of_the_date = [look for look in looks if look.business_date == business_date]
    failures = 0
    for look in reversed(of_the_date):
        if look.outcome not in _LOOK_AGAIN_FOR:
            break
        failures += 1
    if not 0 < failures <= len(_LOOK_AGAIN_AFTER):
        return False
    looked_at = of_the_date[-1].looked_at.replace(tzinfo=UTC)
    return now >= looked_at + _LOOK_AGAIN_AFTER[failures - 1]
