"""One cell of a workbook: its text, and whether it shows another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from email_validator import EmailNotValidError, validate_email

from orchestration.formats.number_formats import show_number, show_text

_MOST_EXACT_DIGITS = 15
FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
# How the file format writes a character that XML has no other form for.
_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# What is nobody's, and refused like what stood there.
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
    """Why a required cell of a row cannot be read, the identifier's before the name's."""
    for field in ("customer_id", "name"):
        position = columns[field]
        if position >= len(cells):
            continue
        cell = cells[position]
        if cell.data_type == "e":
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
    """Why a cell that has a value cannot be an identifier.

    A RUT is told by its check digit, so that it may be shown with any decimals or marks.
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
    """An identifier as it is seen: a number with what its format puts before and between.

    Its blanks are left as they are: what looks the same is made the same in SQL, for every kind of
    file (R1).
    """
    return _shown(cell) or text


def _shown(cell: Any) -> str | None:
    """What a cell shows of its value; None where that is something else, such as a word."""
    if isinstance(cell.value, str):
        return show_text(_decoded(cell.value), cell.number_format)
    if isinstance(cell.value, bool) or not isinstance(cell.value, int | float):
        return None
    return show_number(cell.value, cell.number_format)


def _decoded(value: str) -> str:
    """A text with the characters that the file format writes as `_x000D_`."""
    if "_x" not in value:
        return value
    decoded = _ENCODED.sub(lambda match: chr(int(match[1], 16)), value).replace("\0", "")
    # Beyond the first plane a character is written as two halves; half of one is none.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text_of(cell: Any) -> str | None:
    """A cell's value as one line of text, None for a blank cell."""
    value = cell.value
    if isinstance(value, str):
        # Blanks of every kind are one space; what nobody sees is gone.
        value = _decoded(value)
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
    """An address in its usual form if it can be written to, without asking any server."""
    if text is None:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        return None
