"""Send alerts when a run failed, found something (R20), or could not start.

The targets are configured: SALDO_ALERT_COMMAND is a command that gets the alert on its standard
input, and SALDO_ALERT_WEBHOOK is an address that it is posted to. Both get one JSON object with
`level`, `title`, `text`, `lines` and `report`; chat systems display `text`, and a command can
attach the file that `report` names. It contains no mail, RUT or secret (R30). An alert that cannot
be sent never makes a run fail.

`python -m orchestration.reports.alerts TITLE` sends one: systemd runs it when a service failed.
Nothing here needs Dagster, a warehouse or disk space.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from orchestration.installation.messages import Say, warn_operator
from orchestration.installation.redaction import redact

COMMAND = "SALDO_ALERT_COMMAND"
WEBHOOK = "SALDO_ALERT_WEBHOOK"
_TIMEOUT_SECONDS = 20
_MAX_LINES = 20
_MAX_CHARACTERS = 600


@dataclass(frozen=True)
class Alert:
    """An event to report: a run that `failed`, or a finished run with a `warning`.

    `report` is the path of the report of its business date, if the run wrote one.
    """

    level: Literal["failed", "warning"]
    title: str
    lines: tuple[str, ...]
    report: str | None = None

    def to_json(self, environment: Mapping[str, str]) -> str:
        """Return the alert as it is sent, shortened for readers."""
        title = redact(self.title, environment)
        lines = [redact(line, environment)[:_MAX_CHARACTERS] for line in self.lines[:_MAX_LINES]]
        if len(self.lines) > _MAX_LINES:
            lines.append(f"and {len(self.lines) - _MAX_LINES} more")
        text = "\n".join([f"Saldo: {title}", *(f"- {line}" for line in lines)])
        told = {"level": self.level, "title": title, "text": text, "lines": lines}
        return json.dumps({**told, "report": self.report}, ensure_ascii=False)


def send(alert: Alert, environment: Mapping[str, str], say: Say) -> None:
    """Send an alert to the configured targets, if any.

    Args:
        alert: the alert.
        environment: SALDO_ALERT_COMMAND, SALDO_ALERT_WEBHOOK.
        say: called if the alert could not be sent.

    """
    content = alert.to_json(environment).encode()
    for name, act in ((COMMAND, _run_command), (WEBHOOK, _post)):
        target = environment.get(name)
        if not target:
            continue
        try:
            act(target, content)
        except Exception as error:
            say(f"{name}: the alert was not taken ({type(error).__name__})")


@contextmanager
def sent_if_raised(title: str) -> Iterator[None]:
    """Send an alert for an error that ends the block, unless Dagster has sent one.

    Args:
        title: what did not happen.

    """
    try:
        yield
    except Exception as error:
        if not getattr(error, "is_sent", False):
            alert = Alert("failed", title, (f"{type(error).__name__}: {error}",))
            send(alert, os.environ, warn_operator)
        raise


def _run_command(command: str, content: bytes) -> None:
    subprocess.run(  # noqa: S603 (the operator's own command)
        shlex.split(command),
        input=content,
        check=True,
        timeout=_TIMEOUT_SECONDS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _post(address: str, content: bytes) -> None:
    if urlsplit(address).scheme not in {"http", "https"}:
        raise ValueError("an address begins with http:// or https://")
    request = urllib.request.Request(  # noqa: S310 (checked above)
        address, data=content, headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
        pass


if __name__ == "__main__":
    send(Alert("failed", sys.argv[1], tuple(sys.argv[2:])), os.environ, warn_operator)
