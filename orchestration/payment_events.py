"""Payment events: which lines of `events/*.jsonl` are new, and whether a line is an event (R21)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from orchestration.landing import EventRange

REQUIRED = (
    "event_id",
    "occurred_at",
    "organization_id",
    "payment_id",
    "customer_id",
    "product_id",
    "due_date",
    "amount",
    "currency",
    "channel",
    "status",
)
FIELDS = (*REQUIRED, "reason")
# DuckDB reads objects of at most 16 MiB, and a character may take six bytes there.
LONGEST_LINE_BYTES = 1_000_000
_CHUNK = 1 << 20
_MAX_AMOUNT = Decimal(10) ** 16
_MAX_DIGITS = 40
_AMOUNT_CHARACTERS = re.compile(r"[0-9.eE+-]+")
# JSON can spell it (\ud800), UTF-8 and the warehouse cannot.
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Position:
    """How far a file of events has been read: bytes and lines."""

    byte: int
    lines: int


@dataclass(frozen=True)
class Event:
    """One payment event, every field as text."""

    line_number: int
    fields: Mapping[str, str | None]


@dataclass(frozen=True)
class Refusal:
    """A line that is not a payment event: where it is and why, without its content (R30)."""

    line_number: int
    code: str
    message: str


def find_new_ranges(folder: Path, positions: Mapping[str, Position]) -> list[EventRange]:
    """The whole lines of each `*.jsonl` that no load has read; a last line without end waits.

    Args:
        folder: `events/`.
        positions: how far each file has been read, by file name.

    """
    ranges = []
    for path in sorted(folder.glob("*.jsonl")):
        position = positions.get(path.name, Position(0, 0))
        end = _end_of_last_line(path, position.byte)
        if end > position.byte:
            ranges.append(EventRange(path.name, position.byte, end, position.lines))
    return ranges


def read_range(
    folder: Path, event_range: EventRange, organization_ids: Collection[str]
) -> Iterator[Event | Refusal]:
    """Each line of a range as an event or a refusal; blank lines are passed over."""
    with (folder / event_range.source_file).open("rb") as source:
        source.seek(event_range.from_byte)
        line_number = event_range.lines_before
        while source.tell() < event_range.to_byte:
            line = source.readline(LONGEST_LINE_BYTES + 1)
            line_number += 1
            if len(line) > LONGEST_LINE_BYTES:
                while not line.endswith(b"\n"):
                    line = source.readline(_CHUNK)
                yield Refusal(line_number, "line_too_long", "the line has more than a megabyte")
            elif line.strip():
                yield _read_line(line, line_number, organization_ids)


def _read_line(line: bytes, line_number: int, organization_ids: Collection[str]) -> Event | Refusal:
    try:
        values = json.loads(line.decode("utf-8"), parse_float=Decimal, parse_int=Decimal)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return Refusal(line_number, "invalid_json", "the line is not one JSON object")
    if not isinstance(values, dict):
        return Refusal(line_number, "invalid_json", "the line is not one JSON object")
    fields = {name: _as_text(values.get(name)) for name in FIELDS}
    if any(_LONE_SURROGATE.search(text) for text in fields.values() if text):
        return Refusal(line_number, "invalid_json", "the line has half a character")
    for name in REQUIRED:
        if not (fields[name] or "").strip():
            return Refusal(line_number, f"missing_{name}", f"{name} is missing or empty")
    occurred_at = _parse_instant(fields["occurred_at"])
    if occurred_at is None:
        return Refusal(
            line_number, "invalid_occurred_at", "occurred_at is not ISO 8601 with an offset"
        )
    if not _is_date(fields["due_date"]):
        return Refusal(line_number, "invalid_due_date", "due_date is not YYYY-MM-DD")
    amount = _parse_amount(fields["amount"])
    if amount is None:
        return Refusal(
            line_number, "invalid_amount", "amount is not a number of at most two decimals"
        )
    if fields["organization_id"] not in organization_ids:
        return Refusal(line_number, "unknown_organization", "organization_id is in no contract")
    return Event(
        line_number, {**fields, "occurred_at": occurred_at.isoformat(), "amount": f"{amount:f}"}
    )


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | Decimal):
        return None
    if isinstance(value, str):
        return value
    # Written out, 1e999999999 would fill the memory.
    return f"{value:f}" if abs(value.adjusted()) < _MAX_DIGITS else str(value)


def _parse_instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def _is_date(text: str | None) -> bool:
    try:
        return date.fromisoformat(text or "").isoformat() == text
    except ValueError:
        return False


def _parse_amount(text: str | None) -> Decimal | None:
    try:
        amount = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    # Decimal also takes 1_000 and digits of other scripts.
    if not _AMOUNT_CHARACTERS.fullmatch((text or "").strip()):
        return None
    if amount.is_signed() or not amount < _MAX_AMOUNT:
        return None
    return amount if amount == amount.quantize(Decimal("0.01")) else None


def _end_of_last_line(path: Path, start: int) -> int:
    """The byte after the last line end at or behind `start`."""
    with path.open("rb") as source:
        position = source.seek(0, 2)
        while position > start:
            chunk_start = max(start, position - _CHUNK)
            source.seek(chunk_start)
            newline = source.read(position - chunk_start).rfind(b"\n")
            if newline >= 0:
                return chunk_start + newline + 1
            position = chunk_start
    return start
