"""One cell of a workbook: its text, and how it is displayed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from email_validator import EmailNotValidError, validate_email

from orchestration.formats.number_formats import show_number, show_text

_MOST_EXACT_DIGITS = 15
# Excel has 32,767 characters in a cell, and the library cuts what it writes there.
LONGEST_TEXT = 32_000
FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
# How the file format writes a character that XML cannot represent.
_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# Values that belong to nobody and are refused with the same code as the original value.
NO_IDS: Mapping[str, Any] = {
    "date_as_customer_id": date(1970, 1, 1),
    "inexact_id": 10**_MOST_EXACT_DIGITS,
}
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))


def find_cell_code(
    cells: Sequence[Any],
    formula_cells: Sequence[Any],
    columns: Mapping[str, int],
    *,
    is_rut: bool,
) -> str | None:
    """Return why a required cell of a row cannot be read; the identifier comes before the name."""
    for field in ("customer_id", "name"):
        position = columns[field]
        if position >= len(cells):
            continue
        cell = cells[position]
        if cell.data_type == "e" or (
            isinstance(cell.value, str) and len(cell.value) > LONGEST_TEXT
        ):
            return "cell_error"
        if (
            cell.value is None
            and position < len(formula_cells)
            and formula_cells[position].data_type == "f"
        ):
            return "formula_without_value"
        if field == "customer_id" and (code := find_id_code(cell, is_rut=is_rut)) is not None:
            return code
    return None


def find_id_code(cell: Any, *, is_rut: bool) -> str | None:
    """Return why a cell with a value cannot be an identifier, or None.

    A RUT is checked by its check digit, so it may be displayed with any decimals or marks.
    """
    value = cell.value
    if isinstance(value, date | time | timedelta):
        return "date_as_customer_id"
    if isinstance(value, int | float) and abs(value) >= 10**_MOST_EXACT_DIGITS:
        return "inexact_id"
    if value is not None and not is_rut and _shown(cell) is None:
        return "inexact_id"
    return None


def as_shown(cell: Any, text: str) -> str:
    """Return an identifier as displayed: a number with the fixed text of its format.

    Blanks stay: SQL normalizes them for every kind of file (R1).
    """
    return _shown(cell) or text


def _shown(cell: Any) -> str | None:
    """Return what a cell displays, or None if its format displays anything else, like a word."""
    if isinstance(cell.value, str):
        return show_text(_decoded(_cut(cell.value)), cell.number_format)
    if isinstance(cell.value, bool) or not isinstance(cell.value, int | float):
        return None
    return show_number(cell.value, cell.number_format)


def _cut(value: str) -> str:
    """Shorten a text that no cell of Excel has: its row is refused for a required cell (R15) or,
    like a much shorter one, for another column.
    """
    return value[: LONGEST_TEXT + 1]


def _decoded(value: str) -> str:
    """Decode the characters that the file format writes as `_x000D_`."""
    if "_x" not in value:
        return value
    decoded = _ENCODED.sub(lambda match: chr(int(match[1], 16)), value).replace("\0", "")
    # A character beyond the first plane is written as two surrogates; a lone one is invalid.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text_of(cell: Any) -> str | None:
    """Return a cell's value as one line of text, or None for a blank cell."""
    value = cell.value
    if isinstance(value, str):
        # Every run of blanks becomes one space; invisible characters are removed.
        value = _decoded(_cut(value))
        visible = value if value.isascii() else value.translate(_INVISIBLE)
        return " ".join(visible.split()) or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def usable_mail(text: str | None) -> str | None:
    """Return a valid mail address in its normalized form, or None; queries no server."""
    if text is None:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        return None
