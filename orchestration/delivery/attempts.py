"""Attempts to deliver: the intent and the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from orchestration.delivery.outgoing import FileKey, OutgoingFile

BEGUN = "begun"


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
            attempted_at=attempted_at.astimezone(UTC).replace(tzinfo=None),
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
