"""How a spreadsheet displays an identifier: number formats of digits and fixed text.

A cell may contain 123456 and display `12345-6` because of its format `00000-0`. People see the
displayed text as the identifier. Formats that display anything but the digits in their order
(dates, decimals, groups of thousands, `1,23E+11`) depend on the computer's locale, or lose digits.
They are not supported: the functions return None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_GENERAL = "General"
_TEXT = "@"
_PLACEHOLDERS = "0#?"
# Characters that are displayed as they are, without quotes; so is every non-ASCII character.
_FIXED = frozenset("$-+(): !^&'~{}<>=")
_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)" | \\(?P<escaped>.) | _(?P<space>.) | \*(?P<fill>.)
    | \[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]
    | \[(?P<color>black|blue|cyan|green|magenta|red|white|yellow|color\s*[0-9]+)\]
    | (?P<general>General) | (?P<mark>[0#?@]) | (?P<end>;) | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

# Either fixed text, or one of _PLACEHOLDERS, _GENERAL, _TEXT.
_Token = tuple[bool, str]


def show_number(value: float, number_format: str) -> str | None:
    """Return how a cell displays a number, or None if it displays more than digits and fixed text.

    Args:
        value: the value of the cell.
        number_format: the number format of the cell.

    """
    sections = _sections(number_format)
    if sections is None or value != int(value):
        return None
    number = int(value)
    section, sign = sections[0], "-" if number < 0 else ""
    if number < 0 and len(sections) > 1:
        section, sign = sections[1], ""
    elif number == 0 and len(sections) > 2:  # noqa: PLR2004 (above, below, zero)
        section = sections[2]
    digits = str(abs(number))
    marks = [token for is_fixed, token in section if not is_fixed]
    if marks in ([_GENERAL], [_TEXT]):
        return sign + "".join(text if is_fixed else digits for is_fixed, text in section)
    if not marks or not set(marks) <= set(_PLACEHOLDERS):
        return None
    return (sign + "".join(_fill(section, digits, len(marks)))).strip() or None


def show_text(value: str, number_format: str) -> str | None:
    """Return how a cell displays a text, or None if it displays more than it and fixed text.

    Args:
        value: the value of the cell.
        number_format: the number format of the cell.

    """
    sections = _sections(number_format)
    if sections is None or not any((False, _TEXT) in section for section in sections):
        return value
    marks = [token for is_fixed, token in sections[-1] if not is_fixed]
    if marks != [_TEXT]:
        return None
    return "".join(text if is_fixed else value for is_fixed, text in sections[-1])


def _fill(section: Sequence[_Token], digits: str, places: int) -> Iterator[str]:
    """Fill the placeholders with digits from the right; the first one takes those left over."""
    shown = digits if digits != "0" else ""
    for is_fixed, token in section:
        if is_fixed:
            yield token
            continue
        taken = len(shown) - places + 1
        if taken > 0:
            yield shown[:taken]
            shown = shown[taken:]
        else:
            yield {"0": "0", "#": "", "?": " "}[token]
        places -= 1


@lru_cache(maxsize=256)
def _sections(number_format: str) -> list[list[_Token]] | None:
    """Split a format into sections; None if it displays more than digits and fixed text."""
    sections: list[list[_Token]] = [[]]
    for match in _TOKEN.finditer(number_format or _GENERAL):
        kind, text = match.lastgroup, match[match.lastgroup or 0]
        if kind == "end":
            sections.append([])
        elif kind == "general":
            sections[-1].append((False, _GENERAL))
        elif kind == "mark":
            sections[-1].append((False, text))
        elif kind in ("quoted", "escaped", "currency"):
            sections[-1].append((True, text))
        elif kind == "space":
            sections[-1].append((True, " "))
        elif kind == "other":
            if text not in _FIXED and text.isascii():
                return None
            sections[-1].append((True, text))
    return sections
