"""File names: what a file in an inbox is by its name, and which names nearly say it (R11, R18).

Letter case counts nowhere: mainframes and jobs on Windows send names in capitals. What only nearly
has the right name is never read, and never passed over in silence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from difflib import SequenceMatcher

# The years that a business date can have.
FIRST_YEAR, LAST_YEAR = 1990, 2100
_PATTERN_TOKENS: Mapping[str, str] = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "MM": r"(?P<month>[0-9]{2})",
    "DD": r"(?P<day>[0-9]{2})",
    "*": r".*",
}
# How upload programs name a file that is still on its way.
_PARTIAL = (
    ".filepart",
    ".part",
    ".partial",
    ".tmp",
    ".temp",
    ".crdownload",
    ".uploading",
    ".inprogress",
)
# How alike the letters of a name and of a pattern are: 1 when they are the same.
_ALIKE, _VERY_ALIKE = 0.6, 0.8
_LONGEST_SHOWN_NAME = 100


class InvalidFileDateError(Exception):
    """A file is named as the contract says, but for a day that is in no calendar (R16)."""


def file_date(pattern: str, name: str) -> date | None:
    """The business date in a file's name; None if the name is not of this pattern.

    Args:
        pattern: YYYY, MM and DD stand for digits, `*` for anything but the ending of a file that
            is still being uploaded; the rest for itself in any letter case.
        name: the whole name of the file.

    Raises:
        InvalidFileDateError: the digits are no date, or one before 1990 or after 2100.

    """
    # A Mac sends letters and their accents apart.
    plain = unicodedata.normalize("NFC", name)
    match = re.fullmatch(_to_regular_expression(pattern), plain, re.DOTALL | re.IGNORECASE)
    ending = find_partial_ending(name)
    if match is None or (ending and find_partial_ending(pattern) != ending):
        return None
    year = int(match["year"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise InvalidFileDateError(pattern)
    try:
        return date(year, int(match["month"]), int(match["day"]))
    except ValueError:
        raise InvalidFileDateError(pattern) from None


def find_partial_ending(name: str) -> str:
    """The ending that says that a file is still being uploaded; empty without one."""
    lower = name.lower()
    return next((ending for ending in _PARTIAL if lower.endswith(ending)), "")


def find_near_misses(
    patterns: Collection[str],
    names: Sequence[str],
    business_date: date | None,
    *,
    is_had: bool,
) -> list[str]:
    """The names that nearly are those of a file for a business date.

    A name with the date in it is near if its letters are like a pattern's; while the debts file
    of the date is not there, so is any name with the date, and one without a date whose
    letters are those of a pattern. A partial upload beside the whole file is none.

    Args:
        patterns: of the contract.
        names: of the files in the inbox.
        business_date: the date; None for any.
        is_had: whether the debts file of the date is there.

    """
    known = {_fold(name) for name in names if _is_of_any(patterns, name)}
    near: list[str] = []
    for name in names:
        ending = find_partial_ending(name)
        whole = _fold(name[: len(name) - len(ending)])
        if _fold(name) in known or (ending and whole in known):
            continue
        alike = max(_likeness(pattern, whole) for pattern in patterns)
        if _has_date(whole, business_date):
            is_near = alike >= _ALIKE or not is_had
        else:
            is_near = alike >= _VERY_ALIKE and not is_had and not _has_date(whole, None)
        if is_near:
            near.append(name)
    return near


def is_of_date(pattern: str, name: str, business_date: date | None) -> bool:
    """Whether a name is of a pattern and for a date; for any if it is None."""
    try:
        named_for = file_date(pattern, name)
    except InvalidFileDateError:
        return False
    return named_for is not None and business_date in (None, named_for)


def shown(name: str) -> str:
    """A name as it can be printed on a line: it is whatever an organization wrote."""
    plain = "".join(char if char.isprintable() else "?" for char in name)
    return plain if len(plain) <= _LONGEST_SHOWN_NAME else plain[:_LONGEST_SHOWN_NAME] + "..."


def _is_of_any(patterns: Collection[str], name: str) -> bool:
    for pattern in patterns:
        try:
            if file_date(pattern, name) is not None:
                return True
        except InvalidFileDateError:
            return True
    return False


def _has_date(name: str, business_date: date | None) -> bool:
    """Whether a name holds a date in any usual form; of None any date."""
    if business_date is None:
        return re.search(r"(?<![0-9])([0-9][-_. ]?){5,7}[0-9](?![0-9])", name) is not None
    return any(re.search(form, name) for form in _forms(business_date))


def _forms(day: date) -> Iterator[str]:
    year, month, number = rf"(?:{day.year}|{day.year % 100:02d})", f"{day.month}", f"{day.day}"
    between = r"[-_. ]"
    for parts in ((year, month, number), (number, month, year), (month, number, year)):
        padded = "".join(part if part == year else part.zfill(2) for part in parts)
        loose = between.join(part if part == year else f"0?{part}" for part in parts)
        yield rf"(?<![0-9]){padded}(?![0-9])"
        yield rf"(?<![0-9]){loose}(?![0-9])"


def _likeness(pattern: str, name: str) -> float:
    """How alike the letters of a pattern and of a name are, endings and `*` apart."""
    wanted = _letters(re.sub(r"YYYY|MM|DD|\*", "", _without_ending(pattern)))
    letters = _letters(_without_ending(name))
    if wanted and wanted in letters:
        return 1.0
    return SequenceMatcher(None, wanted, letters, autojunk=False).ratio()


def _without_ending(name: str) -> str:
    return re.sub(r"(\.[A-Za-z]{1,5})+$", "", name)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", _fold(text))


def _fold(text: str) -> str:
    """A text without letter case and accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if not unicodedata.combining(char))


def _to_regular_expression(pattern: str) -> str:
    parts = re.split(r"(YYYY|MM|DD|\*)", pattern)
    return "".join(
        _PATTERN_TOKENS.get(part, re.escape(unicodedata.normalize("NFC", part))) for part in parts
    )
