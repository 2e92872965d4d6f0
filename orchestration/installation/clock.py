"""The current time; tests can replace it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return this machine's time, in UTC."""
    return datetime.now(UTC)


def naive_utc(instant: datetime) -> datetime:
    """Convert an instant to UTC without zone, as the warehouse keeps it."""
    return instant.astimezone(UTC).replace(tzinfo=None)
