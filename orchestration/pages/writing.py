"""How the pages write numbers, money, times and the words of the data, in each language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from gettext import NullTranslations
from typing import Any

from babel.numbers import format_decimal, format_percent

from orchestration.pages.words import INBOXES, OTHER_INBOX, WORDS

# Spanish as in Chile: 31.400,5.
_LOCALES = {"es": "es_CL", "en": "en_US"}
_KILOBYTE = 1000
NOTHING = "-"


class Writing:
    """The filters of templates for one language; what is not there is a dash.

    Args:
        language: one of `languages.LANGUAGES`.
        catalog: what translates into it.

    """

    def __init__(self, language: str, catalog: NullTranslations) -> None:
        self._language = language
        self._locale = _LOCALES[language]
        self._catalog = catalog

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters by their names in templates."""
        return {
            "count": self.count,
            "money": self.money,
            "share": self.share,
            "instant": self.instant,
            "day": self.day,
            "size": self.size,
            "word": self.word,
            "said": self.said,
            "inbox": self.inbox,
            "logged": self.logged,
        }

    def count(self, number: float | Decimal | None) -> str:
        """A number with all its decimals, up to four."""
        if number is None:
            return NOTHING
        return str(format_decimal(number, format="#,##0.####", locale=self._locale))

    def money(self, amount: Decimal | None, currency: str | None) -> str:
        """An amount with the code of its currency: `$` is the sign of too many."""
        if amount is None:
            return NOTHING
        return f"{self.count(amount)} {currency or ''}".rstrip()

    def share(self, part: float | Decimal | None) -> str:
        """A part of one as a percentage."""
        if part is None:
            return NOTHING
        return str(format_percent(part, format="#,##0.#%", locale=self._locale))

    def instant(self, time: datetime | None) -> str:
        """A time in UTC, to the minute."""
        return time.strftime("%Y-%m-%d %H:%M") if time else NOTHING

    def day(self, day: date | None) -> str:
        """A date as files have it in their names."""
        return day.isoformat() if day else NOTHING

    def size(self, byte_count: int | None) -> str:
        """A number of bytes."""
        if byte_count is None:
            return NOTHING
        for unit, factor in (("GB", _KILOBYTE**3), ("MB", _KILOBYTE**2), ("kB", _KILOBYTE)):
            if byte_count >= factor:
                return f"{self.count(round(byte_count / factor, 1))} {unit}"
        return f"{self.count(byte_count)} B"

    def word(self, value: Any) -> str:
        """A code or status of the data in words; one without words as it is."""
        if value is None or value == "":
            return NOTHING
        text = WORDS.get(str(value))
        return self._catalog.gettext(text) if text else str(value)

    def inbox(self, code: str) -> str:
        """What to do about an inbox that could not be read whole."""
        return self._catalog.gettext(INBOXES.get(code, OTHER_INBOX))

    def logged(self, message: str | None) -> str:
        """A message as it was logged, where pages are in the language of logs; else empty."""
        return message or "" if self._language == "en" else ""

    def said(self, text: str) -> str:
        """A marked text in this language."""
        return self._catalog.gettext(text) if text else text
