"""Events: what a line of `events/*.jsonl` is: an event of a payment (R21), an enrollment of a
payment method (R27), or neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from orchestration.contracts.currencies import decimals_of

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
PAYMENT = "payment"
ENROLLMENT = "enrollment"
ENROLLMENT_REQUIRED = (
    "event_id",
    "occurred_at",
    "organization_id",
    "payment_method_id",
    "customer_id",
    "type",
    "status",
)
_CHUNK = 1 << 20
_YEARS = range(1990, 2101)
# What an amount of money has before the decimal point, in every currency, is less.
_MAX_AMOUNT = Decimal(10) ** 14
_DECIMALS_IN_WORDS = {2: "two", 3: "three", 4: "four"}
_MAX_DIGITS = 40
_AMOUNT_CHARACTERS = re.compile(r"[0-9.eE+-]+")
# The fields that are about the person, and may be any text; the others are what happened.
_FREE = ("customer_id", "reason")
_WORD = re.compile(rb"[0-9A-Za-z]")
# JSON can spell it (\ud800), UTF-8 and the warehouse cannot.
_HALF_A_CHARACTER = rb'{"event_id": "\ud800"}'
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Event:
    """One payment event, every field as text."""

    line_number: int
    fields: Mapping[str, str | None]


@dataclass(frozen=True)
class Enrollment:
    """One event of a payment method, every field as text; `products` is a JSON list of texts."""

    line_number: int
    fields: Mapping[str, str | None]


Line = Event | Enrollment


@dataclass(frozen=True)
class Refusal:
    """A line that is not an event: where it is and why, without its content (R30)."""

    line_number: int
    code: str
    message: str


def read_lines(path: Path, lines_before: int) -> Iterator[Line | Refusal]:
    """Each line of a landed range as an event or a refusal; blank lines are passed over.

    Args:
        path: the bytes of the range.
        lines_before: how many lines of its file come before.

    """
    with path.open("rb") as source:
        line_number = lines_before
        while line := source.readline(LONGEST_LINE_BYTES + 1):
            line_number += 1
            if len(line) > LONGEST_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = source.readline(_CHUNK)
                yield Refusal(line_number, "line_too_long", "the line has more than a megabyte")
            elif line.strip():
                yield _read_line(line, line_number)


def write_anew(line: bytes, change: Callable[[str, str], str]) -> bytes:
    """A line with other texts that is read as the former was: the same event, or refusal.

    What no field of an event is, is left out. A refused line keeps only what it is refused for,
    and of one that is not JSON the form.

    Args:
        line: a line of a landed range, with its end.
        change: gives the new text of a field's name and text.

    Raises:
        ValueError: there is no such line.

    """
    if len(line) > LONGEST_LINE_BYTES:
        return _WORD.sub(b"x", line)
    former = _read_line(line, 0)
    expected = former
    if not isinstance(former, Refusal):
        expected = replace(former, fields=_changed(former.fields, _FREE, change))
    candidates = [_WORD.sub(b"x", line), _HALF_A_CHARACTER]
    values = _as_texts(line)
    if values is not None:
        changed = _changed(values, _FREE, change)
        candidates.insert(0, json.dumps(changed).encode())
        if isinstance(former, Refusal):
            for name in values:
                tried = _changed(changed, (name,), change)
                if _read_line(json.dumps(tried).encode(), 0) == former:
                    changed = tried
            candidates.insert(0, json.dumps(changed).encode())
    for candidate in candidates:
        if _read_line(candidate, 0) == expected:
            return candidate.rstrip(b"\r\n") + line[len(line.rstrip(b"\r\n")) :]
    raise ValueError("the line cannot be written anew")


def organization_of(line: bytes) -> str | None:
    """The organization that a line names, whether it is an event or refused; None if none."""
    try:
        values = json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    named = values.get("organization_id") if isinstance(values, dict) else None
    return named if isinstance(named, str) else None


def _changed(
    values: Mapping[str, Any], names: Sequence[str], change: Callable[[str, str], str]
) -> dict[str, Any]:
    """The same with new texts under some names."""
    return {
        name: change(name, value) if name in names and isinstance(value, str) else value
        for name, value in values.items()
    }


def _as_texts(line: bytes) -> dict[str, Any] | None:
    """What a line says in the fields of its kind, as text; None if it is no JSON object."""
    try:
        values = json.loads(line.decode("utf-8"), parse_float=Decimal, parse_int=Decimal)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    is_enrollment = values.get("kind") == ENROLLMENT
    names = ENROLLMENT_REQUIRED if is_enrollment else FIELDS
    texts: dict[str, Any] = {name: _as_text(values[name]) for name in names if name in values}
    if "kind" in values:
        texts["kind"] = values["kind"] if values["kind"] in (PAYMENT, ENROLLMENT) else "other"
    if is_enrollment and "products" in values:
        products = values["products"]
        is_list = isinstance(products, list)
        texts["products"] = [_as_text(each) for each in products] if is_list else None
    return texts


def _read_line(line: bytes, line_number: int) -> Line | Refusal:
    try:
        values = json.loads(line.decode("utf-8"), parse_float=Decimal, parse_int=Decimal)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return Refusal(line_number, "invalid_json", "the line is not one JSON object")
    if not isinstance(values, dict):
        return Refusal(line_number, "invalid_json", "the line is not one JSON object")
    kind = values.get("kind", PAYMENT)
    if kind == PAYMENT:
        return _read_payment(values, line_number)
    if kind == ENROLLMENT:
        return _read_enrollment(values, line_number)
    return Refusal(line_number, "unknown_kind", f"kind is neither {PAYMENT} nor {ENROLLMENT}")


def _read_payment(values: Mapping[str, Any], line_number: int) -> Event | Refusal:
    fields = {name: _as_text(values.get(name)) for name in FIELDS}
    refusal = _check_common(fields, REQUIRED, line_number)
    if refusal is not None:
        return refusal
    if not _is_date(fields["due_date"]):
        return Refusal(line_number, "invalid_due_date", "due_date is not YYYY-MM-DD")
    decimals = decimals_of(fields["currency"] or "")
    amount = _parse_amount(fields["amount"], decimals)
    if amount is None:
        most = _DECIMALS_IN_WORDS[decimals]
        return Refusal(
            line_number, "invalid_amount", f"amount is not a number of at most {most} decimals"
        )
    return Event(
        line_number,
        {**fields, "occurred_at": _in_iso_form(fields), "amount": f"{amount:f}"},
    )


def _read_enrollment(values: Mapping[str, Any], line_number: int) -> Enrollment | Refusal:
    fields = {name: _as_text(values.get(name)) for name in ENROLLMENT_REQUIRED}
    products = values.get("products", [])
    texts = [_as_text(each) for each in products] if isinstance(products, list) else [None]
    refusal = _check_common(fields, ENROLLMENT_REQUIRED, line_number)
    if refusal is not None:
        return refusal
    if not all((text or "").strip() and not _LONE_SURROGATE.search(text or "") for text in texts):
        return Refusal(line_number, "invalid_products", "products is not a list of texts")
    return Enrollment(
        line_number,
        {
            **fields,
            "occurred_at": _in_iso_form(fields),
            "products": json.dumps(texts, ensure_ascii=False),
        },
    )


def _check_common(
    fields: Mapping[str, str | None], required: Sequence[str], line_number: int
) -> Refusal | None:
    """What is wrong with what every event has: its texts, its required fields and its time."""
    if any(_LONE_SURROGATE.search(text) for text in fields.values() if text):
        return Refusal(line_number, "invalid_json", "the line has half a character")
    for name in required:
        if not (fields[name] or "").strip():
            return Refusal(line_number, f"missing_{name}", f"{name} is missing or empty")
    if _parse_instant(fields["occurred_at"]) is None:
        return Refusal(
            line_number, "invalid_occurred_at", "occurred_at is not ISO 8601 with an offset"
        )
    return None


def _in_iso_form(fields: Mapping[str, str | None]) -> str:
    instant = _parse_instant(fields["occurred_at"])
    return instant.isoformat() if instant else ""


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
        if instant.tzinfo is None:
            return None
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if instant.year in _YEARS else None


def _is_date(text: str | None) -> bool:
    try:
        return date.fromisoformat(text or "").isoformat() == text
    except ValueError:
        return False


def _parse_amount(text: str | None, decimals: int) -> Decimal | None:
    try:
        amount = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    # Decimal also takes 1_000 and digits of other scripts.
    if not _AMOUNT_CHARACTERS.fullmatch((text or "").strip()):
        return None
    if amount.is_signed() or not amount < _MAX_AMOUNT:
        return None
    return amount if amount == round(amount, decimals) else None
