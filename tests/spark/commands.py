"""The command on Spark while it works, and what analysts read after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from orchestration.installation.home import PROJECT, Home
from tests.orchestration.installations import Installed

_PATIENCE_SECONDS = 1800


@contextmanager
def started(
    site: Installed, variables: Mapping[str, str], *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The command with more variables, and its dbt, in one group of processes."""
    command = (sys.executable, "-m", "orchestration", *arguments)
    with in_a_group(command, PROJECT, {**site.environment, **variables}) as running:
        yield running


@contextmanager
def in_a_group(
    command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with more variables that leads a group, all of which has ended after the block."""
    running = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **variables}, start_new_session=True
    )
    try:
        yield running
    finally:
        kill(running)


def kill(running: subprocess.Popen[bytes]) -> None:
    """End a process and its group at once."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def wait_for(process: subprocess.Popen[bytes], log: Path, text: str) -> None:
    """Wait until a log of a process has a text.

    Raises:
        AssertionError: it never had, or the process has ended.

    """
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while not (log.exists() and text in log.read_text()):
        assert process.poll() is None, f"ended before {log} had {text}"
        assert time.monotonic() < patience_ends, f"{log} never had {text}"
        time.sleep(0.2)


def published_tables(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every row of what is published, but when that was."""
    with duckdb.connect(str(home.analytics), read_only=True) as connection:
        names = [
            name
            for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()
            if name not in ("deliveries", "published_at")
        ]
        return {
            name: connection.execute(f"select * from {name} order by all").fetchall()
            for name in names
        }
