"""When the debts files of a date are due."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo


class WithCutoff(Protocol):
    """What has a cut-off: a contract, or what a published copy keeps of one."""

    @property
    def cutoff_time(self) -> time:
        """By the clocks of its time zone."""

    @property
    def time_zone(self) -> ZoneInfo:
        """Where its dates begin."""


def is_due(organization: WithCutoff, business_date: date, now: datetime) -> bool:
    """Return whether a date's cut-off has passed in the organization's time zone (R11).

    Args:
        organization: its cut-off and time zone.
        business_date: the date to check.
        now: an instant with a time zone.

    """
    cutoff = datetime.combine(business_date, organization.cutoff_time, organization.time_zone)
    return now.timestamp() >= cutoff.timestamp()
