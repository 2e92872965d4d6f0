"""Taking mails, RUTs and secrets out of a text that leaves the installation (R30).

Nothing of ours writes them where it tells what went wrong. What other tools say is not ours: it
goes through here before it is logged or sent.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TextIO

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_RUT = re.compile(r"(?<![\w-])\d{1,2}\.?\d{3}\.?\d{3} ?- ?[\dkK](?![\w-])")
_PASSWORD = "SFTP_PASSWORD_"  # noqa: S105 (the name of the variable)
_WEBHOOK = "SALDO_ALERT_WEBHOOK"


def redactor(environment: Mapping[str, str]) -> Callable[[str], str]:
    """What takes out of a text what must not be told; made once for many texts.

    Args:
        environment: whose secrets are taken out.

    """
    secrets = sorted(
        (
            value
            for name, value in environment.items()
            if value and (name.startswith(_PASSWORD) or name == _WEBHOOK)
        ),
        key=len,
        reverse=True,
    )

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[secret]")
        return _RUT.sub("[rut]", _MAIL.sub("[mail]", text))

    return redact


def redact(text: str, environment: Mapping[str, str]) -> str:
    """A text without what must not be told.

    Args:
        text: what some tool said.
        environment: whose secrets are taken out.

    """
    return redactor(environment)(text)


class Redacting(io.TextIOBase):
    """A text stream that takes out of each line what must not be told, before it is written.

    The secrets are those that the environment has when the stream is made.
    """

    def __init__(self, target: TextIO, environment: Mapping[str, str]) -> None:
        self._target = target
        self._redact = redactor(environment)

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write a text, redacted."""
        self._target.write(self._redact(text))
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        self._target.flush()
