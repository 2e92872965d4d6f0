"""Alerts: telling people elsewhere that a run failed or found something (R20), or could not begin.

Where they go is configuration: SALDO_ALERT_COMMAND, a command that is given the alert on its
standard input, and SALDO_ALERT_WEBHOOK, an address that it is posted to. Both get one JSON object
with `level`, `title`, `text` and `lines`; `text` is what chat systems show. No mail, RUT or secret
is in it (R30), and an alert that cannot be sent never makes a run fail.

`python -m orchestration.alerts TITLE` sends one: what systemd says when a service failed. Nothing
here needs Dagster, a warehouse or room on the disk.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from orchestration.installation.redaction import redact

COMMAND = "SALDO_ALERT_COMMAND"
WEBHOOK = "SALDO_ALERT_WEBHOOK"
_TIMEOUT_SECONDS = 20
_MAX_LINES = 20
_MAX_CHARACTERS = 600


@dataclass(frozen=True)
class Alert:
    """What happened: a run that `failed`, or one that is done and found a `warning`."""

    level: Literal["failed", "warning"]
    title: str
    lines: tuple[str, ...]

    def to_json(self, environment: Mapping[str, str]) -> str:
        """The alert as it is sent, cut to what a person reads."""
        title = redact(self.title, environment)
        lines = [redact(line, environment)[:_MAX_CHARACTERS] for line in self.lines[:_MAX_LINES]]
        if len(self.lines) > _MAX_LINES:
            lines.append(f"and {len(self.lines) - _MAX_LINES} more")
        text = "\n".join([f"Saldo: {title}", *(f"- {line}" for line in lines)])
        told = {"level": self.level, "title": title, "text": text, "lines": lines}
        return json.dumps(told, ensure_ascii=False)


def send(alert: Alert, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Send an alert wherever the environment says; nowhere if it says nothing.

    Args:
        alert: what happened.
        environment: SALDO_ALERT_COMMAND, SALDO_ALERT_WEBHOOK.
        say: told when the alert could not be sent.

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
    """Send an alert of an error that ends the block, unless Dagster has sent one of it.

    Args:
        title: what did not happen.

    """
    try:
        yield
    except Exception as error:
        if not getattr(error, "is_sent", False):
            alert = Alert("failed", title, (f"{type(error).__name__}: {error}",))
            send(alert, os.environ, _say)
        raise


def _say(text: str) -> None:
    sys.stderr.write(f"saldo: {text}\n")


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
    send(Alert("failed", sys.argv[1], tuple(sys.argv[2:])), os.environ, _say)
