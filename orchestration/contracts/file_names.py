"""File names: which inbox file a name belongs to, and which names nearly match (R11, R18).

Letter case never counts: mainframes and Windows jobs send names in capitals. A file whose name
nearly matches is never read, and is always reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from difflib import SequenceMatcher
from functools import cache, lru_cache

# Customers are uploaded, but an organization may also leave a workbook in its inbox (R26).
CUSTOMERS_PATTERN = "YYYY-MM-DD_toku_customers.xlsx"
# The years that a business date can have.
FIRST_YEAR, LAST_YEAR = 1990, 2100
_PATTERN_TOKENS: Mapping[str, str] = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "MM": r"(?P<month>[0-9]{2})",
    "DD": r"(?P<day>[0-9]{2})",
    "*": r".*",
}
# The endings that upload programs give to a file that is still being uploaded.
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
# How similar the letters of a name and of a pattern are: 1 means the same.
_ALIKE, _VERY_ALIKE = 0.6, 0.8
_LONGEST_SHOWN_NAME = 100
# Of a file system. A server may list longer ones, and as many as SALDO_LISTING_LIMIT allows: to
# compare them all would take minutes.
_LONGEST_NAME = 255
_MOST_COMPARED = 2_000


class InvalidFileDateError(Exception):
    """A file name that matches the pattern but contains a date that does not exist (R16)."""


def file_date(pattern: str, name: str) -> date | None:
    """Return the business date in a file's name, or None if the name does not match the pattern.

    Args:
        pattern: YYYY, MM and DD stand for digits. `*` matches anything but the ending of a file
            that is still being uploaded. All other characters match themselves in any letter case.
        name: the whole name of the file. One of more than 255 characters never matches.

    Raises:
        InvalidFileDateError: the digits are no date, or the year is before 1990 or after 2100.

    """
    if len(name) > _LONGEST_NAME:
        return None
    # macOS sends letters and their accents as separate characters.
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


@cache
def takes_names(pattern: str, other: str) -> bool:
    """Return whether a pattern also matches a usual name of another one (R11).

    A usual name has nothing or one letter for each `*`, and any date.
    """
    return any(_is_of_any([pattern], _fill(other, text)) for text in ("", "x"))


def find_partial_ending(name: str) -> str:
    """Return the ending of a file that is still being uploaded, or an empty text."""
    lower = name.lower()
    return next((ending for ending in _PARTIAL if lower.endswith(ending)), "")


def find_near_misses(
    patterns: Collection[str],
    names: Sequence[str],
    business_date: date | None,
    *,
    is_had: bool,
) -> list[str]:
    """Find the names that nearly match those of a file for a business date.

    A name that contains the date matches nearly if its letters are similar to a pattern's. While
    the debts file of the date is missing, so does any name that contains the date, and a name
    without a date whose letters are very similar to a pattern's. A partial upload next to the whole
    file does not count. Of very many names the first ones are compared.

    Args:
        patterns: the patterns of the contract.
        names: the names of the files in the inbox.
        business_date: the date; None means any.
        is_had: whether the debts file of the date is there.

    """
    known = {_fold(name) for name in names if _is_of_any(patterns, name)}
    near: list[str] = []
    left = _MOST_COMPARED
    for name in names:
        if len(name) > _LONGEST_NAME:
            continue
        ending = find_partial_ending(name)
        whole = _fold(name[: len(name) - len(ending)])
        if _fold(name) in known or (ending and whole in known):
            continue
        is_dated = _has_date(whole, business_date)
        if is_dated and not is_had:
            near.append(name)
        elif left and (is_dated or not (is_had or _has_date(whole, None))):
            left -= 1
            least = _ALIKE if is_dated else _VERY_ALIKE
            if any(_likeness(pattern, whole) >= least for pattern in patterns):
                near.append(name)
    return near


def is_of_date(pattern: str, name: str, business_date: date | None) -> bool:
    """Return whether a name matches a pattern and contains the date; None means any date."""
    try:
        named_for = file_date(pattern, name)
    except InvalidFileDateError:
        return False
    return named_for is not None and business_date in (None, named_for)


def is_of_later_date(pattern: str, name: str, day: date) -> bool:
    """Return whether a name matches a pattern and contains a date after a day."""
    try:
        named_for = file_date(pattern, name)
    except InvalidFileDateError:
        return False
    return named_for is not None and named_for > day


def shown(name: str) -> str:
    """Make a name printable on one line: organizations can send any characters."""
    plain = "".join(char if char.isprintable() else "?" for char in name)
    return plain if len(plain) <= _LONGEST_SHOWN_NAME else plain[:_LONGEST_SHOWN_NAME] + "..."


def _fill(pattern: str, text: str) -> str:
    """Return a name of a pattern that has a text for each `*`."""
    tokens = {"*": text, "YYYY": "2026", "MM": "12", "DD": "31"}
    return re.sub(r"YYYY|MM|DD|\*", lambda token: tokens[token[0]], pattern)


def _is_of_any(patterns: Collection[str], name: str) -> bool:
    for pattern in patterns:
        try:
            if file_date(pattern, name) is not None:
                return True
        except InvalidFileDateError:
            return True
    return False


def _has_date(name: str, business_date: date | None) -> bool:
    """Return whether a name contains the date in any usual form; None means any date."""
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
    """Compare the letters of a pattern and a name, without endings and `*`: from 0 to 1.

    Of letters whose numbers alone differ too much it is 0.
    """
    wanted = _letters(re.sub(r"YYYY|MM|DD|\*", "", _without_ending(pattern)))
    letters = _letters(_without_ending(name))
    if wanted and wanted in letters:
        return 1.0
    matcher = SequenceMatcher(None, wanted, letters, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= _ALIKE else 0.0


def _without_ending(name: str) -> str:
    return re.sub(r"(\.[A-Za-z]{1,5})+$", "", name)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", _fold(text))


def _fold(text: str) -> str:
    """Remove letter case and accents from a text."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if not unicodedata.combining(char))


@lru_cache(maxsize=1_024)
def _to_regular_expression(pattern: str) -> str:
    parts = re.split(r"(YYYY|MM|DD|\*)", pattern)
    return "".join(
        _PATTERN_TOKENS.get(part, re.escape(unicodedata.normalize("NFC", part))) for part in parts
    )
