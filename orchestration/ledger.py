"""The delivery ledger in the landing area: what an organization was sent is sent once, whatever
becomes of the warehouse (R24).

Each run that delivers adds a batch of attempts, a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from orchestration.home import Home
from orchestration.landing import write_whole
from orchestration.sealing import changed, read_sealed, seal


@dataclass(frozen=True)
class Attempt:
    """An attempt to deliver a file (R24); `outcome` is a success or the code of a failure."""

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

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Attempt:
        """Read an attempt from JSON's values."""
        return cls(
            **{
                **values,
                "business_date": date.fromisoformat(values["business_date"]),
                "attempted_at": datetime.fromisoformat(values["attempted_at"]),
            }
        )


def write_attempts(home: Home, attempts: Sequence[Attempt]) -> None:
    """Store attempts to deliver as the next batch of the ledger, in one step."""
    batch_id = max(batch_ids(home), default=0) + 1
    text = seal({"attempts": [asdict(each) for each in attempts]})
    write_whole(batch_path(home, batch_id), text.encode())


def read_attempts(home: Home, after: int) -> Iterator[tuple[int, list[Attempt]]]:
    """The batches of the ledger after a number, in order.

    Raises:
        DamagedError: one is not as it was written.

    """
    for batch_id in batch_ids(home):
        if batch_id > after:
            yield batch_id, read_batch(home, batch_id)


def read_batch(home: Home, batch_id: int) -> list[Attempt]:
    """One batch of the ledger; an older version wrote a list.

    Raises:
        DamagedError: it is not as it was written.

    """
    path = batch_path(home, batch_id)
    values = read_sealed(path)
    try:
        attempts = values["attempts"] if isinstance(values, dict) else values
        return [Attempt.from_values(each) for each in attempts]
    except (KeyError, TypeError, ValueError):
        raise changed(path) from None


def batch_ids(home: Home) -> list[int]:
    """The numbers of the batches of the ledger, in order."""
    return sorted(int(path.stem) for path in (home.landing / "_deliveries").glob("[0-9]*.json"))


def batch_path(home: Home, batch_id: int) -> Path:
    """Where a batch of the ledger is."""
    return home.landing / "_deliveries" / f"{batch_id:08d}.json"
