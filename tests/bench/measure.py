"""Running a command as a process of its own, with its time and the memory of its largest child."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SHOWN_LINES = 15


class CaseFailedError(Exception):
    """A command failed; the message is the end of what it said."""


@dataclass(frozen=True)
class Measured:
    """One run of a case.

    Args:
        seconds: on the wall, from start to end of the process.
        cpu_seconds: of all its processes, on all cores.
        peak_bytes: the most memory that any one process of it held.
        steps: seconds by step, where the case has steps.

    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    steps: Mapping[str, float] = field(default_factory=dict)


def run(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
) -> Measured:
    """Run a command to its end in the current folder.

    Args:
        command: program and arguments.
        log: takes what it says.
        environment: what is set beside this process's own variables.
        allowed: the exit statuses that are no failure.

    Raises:
        CaseFailedError: it ended with another status.

    """
    log.parent.mkdir(parents=True, exist_ok=True)
    os.sync()  # what was copied before is not to be written at this command's expense
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(each) for each in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )
        # The usage of a child covers the largest of its own children too. A child inherits the
        # peak of whoever started it, so this process has to stay small.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        said = log.read_text(errors="replace").strip().splitlines()[-_SHOWN_LINES:]
        raise CaseFailedError(f"exit status {process.returncode}: {' / '.join(said)}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def python(*arguments: str | Path) -> list[str | Path]:
    """The command that runs this interpreter."""
    return [sys.executable, *arguments]
