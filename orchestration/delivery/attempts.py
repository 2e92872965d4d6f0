"""Attempts to deliver: the intent, the outcome, and when the next one is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from orchestration.delivery.outgoing import FileKey, OutgoingFile
from orchestration.installation.clock import naive_utc

BEGUN = "begun"
_DELIVER_AGAIN_AFTER = timedelta(minutes=30)


@dataclass(frozen=True)
class Attempt:
    """An attempt to deliver a file (R24).

    `outcome` is a success, the code of a failure, or `begun` for an intent without an outcome.
    `is_in_doubt` means that the receiver may have the file and nobody has checked.
    """

    organization_id: str
    business_date: date
    kind: str
    file_name: str
    load_id: int
    sha256: str
    byte_count: int
    attempted_at: datetime
    outcome: str
    detail: str | None
    is_in_doubt: bool = False

    @classmethod
    def of(
        cls,
        file: OutgoingFile,
        attempted_at: datetime,
        outcome: str,
        detail: str | None = None,
        *,
        is_in_doubt: bool,
    ) -> Attempt:
        """Make an attempt to deliver a file; `attempted_at` has a zone."""
        return cls(
            organization_id=file.organization_id,
            business_date=file.business_date,
            kind=file.kind,
            file_name=file.file_name,
            load_id=file.load_id,
            sha256=file.sha256,
            byte_count=len(file.content),
            attempted_at=naive_utc(attempted_at),
            outcome=outcome,
            detail=detail,
            is_in_doubt=is_in_doubt,
        )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Attempt:
        """Make an attempt from JSON values."""
        return cls(
            **{
                **values,
                "business_date": date.fromisoformat(values["business_date"]),
                "attempted_at": datetime.fromisoformat(values["attempted_at"]),
            }
        )

    @property
    def key(self) -> FileKey:
        """The key of its file."""
        return self.organization_id, self.file_name, self.load_id


def is_delivery_due(files_that_may_heal: int, attempted_at: datetime, now: datetime) -> bool:
    """Return whether to retry the delivery of files whose server could not be reached.

    Args:
        files_that_may_heal: the number of such files after the last attempt.
        attempted_at: the time of the last attempt, with a time zone.
        now: an instant with a time zone.

    """
    return files_that_may_heal > 0 and now >= attempted_at + _DELIVER_AGAIN_AFTER
