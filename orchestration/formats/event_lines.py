"""Parse the lines of `events/*.jsonl`.

A line is a payment event (R21), an enrollment of a payment method (R27), or is refused.
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
# Every amount is smaller: the digits before the decimal point fit every currency.
_MAX_AMOUNT = Decimal(10) ** 14
_DECIMALS_IN_WORDS = {2: "two", 3: "three", 4: "four"}
_MAX_DIGITS = 40
# A number with too large an exponent is an arithmetic error of Decimal.
_NO_JSON = (UnicodeDecodeError, ValueError, RecursionError, ArithmeticError)
_AMOUNT_CHARACTERS = re.compile(r"[0-9.eE+-]+")
# The fields about the person, which may be any text. The others describe what happened.
_FREE = ("customer_id", "reason")
_WORD = re.compile(rb"[0-9A-Za-z]")
# JSON can spell it (\ud800); UTF-8 and the warehouse cannot.
_HALF_A_CHARACTER = rb'{"event_id": "\ud800"}'
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Event:
    """One event of a payment or an enrollment; every field is text, and `products` a JSON list."""

    line_number: int
    fields: Mapping[str, str | None]
    kind: str = PAYMENT


@dataclass(frozen=True)
class Refusal:
    """A line that is not an event: its position and the reason, without its content (R30)."""

    line_number: int
    code: str
    message: str


def read_lines(path: Path, lines_before: int) -> Iterator[Event | Refusal]:
    """Yield each line of a landed range as an event or a refusal; blank lines are skipped.

    Args:
        path: the bytes of the range.
        lines_before: number of lines of the file before the range.

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
    """Rewrite a line with other texts so that it still gives the same event or refusal.

    Everything that is not a field of an event is dropped. A refused line keeps only the part that
    it is refused for. A line that is not JSON keeps only its form.

    Args:
        line: a line of a landed range, with its line end.
        change: returns the new text for a field's name and text.

    Raises:
        ValueError: no such line exists.

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
    """Return the organization that a line names, even if the line is refused, or None."""
    try:
        values = json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    named = values.get("organization_id") if isinstance(values, dict) else None
    return _as_organization(named) if isinstance(named, str) else None


def _changed(
    values: Mapping[str, Any], names: Sequence[str], change: Callable[[str, str], str]
) -> dict[str, Any]:
    """Return the values with new texts under some names."""
    return {
        name: change(name, value) if name in names and isinstance(value, str) else value
        for name, value in values.items()
    }


def _parse_json(line: bytes) -> Any:
    return json.loads(line.decode("utf-8"), parse_float=Decimal, parse_int=Decimal)


def _as_texts(line: bytes) -> dict[str, Any] | None:
    """Return the fields of a line as text, or None if the line is no JSON object."""
    try:
        values = _parse_json(line)
    except _NO_JSON:
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


def _read_line(line: bytes, line_number: int) -> Event | Refusal:
    try:
        values = _parse_json(line)
    except _NO_JSON:
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
    currency = (fields["currency"] or "").strip().upper()
    decimals = decimals_of(currency)
    amount = _parse_amount(fields["amount"], decimals)
    if amount is None:
        most = _DECIMALS_IN_WORDS[decimals]
        return Refusal(
            line_number, "invalid_amount", f"amount is not a number of at most {most} decimals"
        )
    return Event(
        line_number,
        {**fields, **_in_one_form(fields), "amount": f"{amount:f}", "currency": currency},
    )


def _read_enrollment(values: Mapping[str, Any], line_number: int) -> Event | Refusal:
    fields = {name: _as_text(values.get(name)) for name in ENROLLMENT_REQUIRED}
    products = values.get("products", [])
    texts = [_as_text(each) for each in products] if isinstance(products, list) else [None]
    refusal = _check_common(fields, ENROLLMENT_REQUIRED, line_number)
    if refusal is not None:
        return refusal
    if not all((text or "").strip() and not _LONE_SURROGATE.search(text or "") for text in texts):
        return Refusal(line_number, "invalid_products", "products is not a list of texts")
    return Event(
        line_number,
        {
            **fields,
            **_in_one_form(fields),
            "products": json.dumps(texts, ensure_ascii=False),
        },
        ENROLLMENT,
    )


def _check_common(
    fields: Mapping[str, str | None], required: Sequence[str], line_number: int
) -> Refusal | None:
    """Check what every event needs: valid texts, the required fields, and a time."""
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


def _in_one_form(fields: Mapping[str, str | None]) -> dict[str, str]:
    """Return the fields that may be written in several ways, as the contracts write them."""
    instant = _parse_instant(fields["occurred_at"])
    return {
        "organization_id": _as_organization(fields["organization_id"] or ""),
        "occurred_at": instant.isoformat() if instant else "",
        "status": " ".join((fields["status"] or "").split()),
    }


def _as_organization(text: str) -> str:
    return text.strip().lower()


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
    # Decimal also accepts 1_000 and digits of other scripts.
    if not _AMOUNT_CHARACTERS.fullmatch((text or "").strip()):
        return None
    if amount.is_signed() or not amount < _MAX_AMOUNT:
        return None
    return amount if amount == round(amount, decimals) else None
