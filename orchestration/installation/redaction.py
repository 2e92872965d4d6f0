"""Remove mails, RUTs and secrets from texts that leave the installation (R30).

Saldo's own messages contain none. Messages of other tools may: they are redacted before they are
logged or sent.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TextIO

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_RUT = re.compile(r"(?<![^\W_])(\d{1,2}\.?\d{3}\.?\d{3}) ?- ?([\dkK])(?![^\W_])")
_MONTH, _DAY = "(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_DATE = re.compile(rf"20\d\d{_MONTH}{_DAY}|{_DAY}{_MONTH}20\d\d")
# The check digit of a RUT, by the remainder modulo 11.
_CHECK_DIGITS = "0K987654321"
_PASSWORD = "SFTP_PASSWORD_"  # noqa: S105 (the name of the variable)
_OTHERS = ("SALDO_ALERT_WEBHOOK", "SPARK_CONNECT_AUTHENTICATE_TOKEN")
# Within the address of a server.
_TOKEN = re.compile(r"\btoken=[^;\s]+")


def redactor(environment: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that redacts texts; reuse it for many texts.

    Args:
        environment: the variables with the secrets to remove.

    """
    secrets = sorted(
        (
            value
            for name, value in environment.items()
            if value and (name.startswith(_PASSWORD) or name in _OTHERS)
        ),
        key=len,
        reverse=True,
    )

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[secret]")
        text = _TOKEN.sub("token=[secret]", text)
        return _RUT.sub(_without_rut, _MAIL.sub("[mail]", text))

    return redact


def _without_rut(found: re.Match[str]) -> str:
    """Return what replaces a RUT; only the check digit tells it from a date such as 20260302-1."""
    body, digit = found.groups()
    return found[0] if _DATE.fullmatch(body) and not _has_check_digit(body, digit) else "[rut]"


def _has_check_digit(body: str, digit: str) -> bool:
    digits = map(int, reversed(body.replace(".", "")))
    total = sum((2 + place % 6) * each for place, each in enumerate(digits))
    return _CHECK_DIGITS[total % 11] == digit.upper()


def redact(text: str, environment: Mapping[str, str]) -> str:
    """Remove mails, RUTs and secrets from a text.

    Args:
        text: the output of some tool.
        environment: the variables with the secrets to remove.

    """
    return redactor(environment)(text)


class Redacting(io.TextIOBase):
    """A text stream that redacts each line before it is written.

    Uses the secrets that are in the environment when the stream is created.
    """

    def __init__(self, target: TextIO, environment: Mapping[str, str]) -> None:
        self._target = target
        self._redact = redactor(environment)

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, text: str) -> int:
        """Write a text, redacted."""
        self._target.write(self._redact(text))
        return len(text)

    def flush(self) -> None:
        """Flush the target."""
        self._target.flush()
