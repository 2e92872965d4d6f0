"""Runs what carries out what operators confirmed, one run at a time, in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from orchestration.installation.home import PROJECT, Home

_RETRY_SECONDS = 10.0
_MOST_TRIES = 180
_WAITS = "; waiting for at most"


class Loader:
    """Starts a verb that takes a spool; while another run holds the warehouse, again and again.

    Args:
        home: the installation.
        verb: what takes all that waits: `load-uploads` or `load-decisions`.

    """

    def __init__(self, home: Home, verb: str = "load-uploads") -> None:
        self._home = home
        self._verb = verb
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._has_failed = False
        self._trouble = ""
        self._started_for: set[str] = set()

    @property
    def is_at_work(self) -> bool:
        """Whether a run is on its way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_failed(self) -> bool:
        """Whether the newest try could not load what waits."""
        return self._has_failed

    @property
    def trouble(self) -> str:
        """What the newest try said of what kept it from its work; nothing if it was done."""
        return self._trouble

    def is_started_for(self, file_id: str) -> bool:
        """Whether a run was asked for because of this file."""
        return file_id in self._started_for

    def start(self, file_id: str) -> None:
        """See to it that a file is taken, with all else that waits."""
        with self._lock:
            self._started_for.add(file_id)
            if not self.is_at_work:
                self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        for _ in range(_MOST_TRIES):
            # What it prints stays out of the server's own output.
            result = subprocess.run(  # noqa: S603 (a verb of ours)
                [sys.executable, "-m", "orchestration", self._verb],
                cwd=PROJECT,
                env={**os.environ, **self._home.environment()},
                capture_output=True,
                text=True,
                check=False,
            )
            # Exit 1 is also a workbook that was refused; what kept a run from its work is told.
            # So is that it waits for its turn.
            trouble = [
                line
                for line in result.stderr.splitlines()
                if line.startswith("saldo: ") and _WAITS not in line
            ]
            self._trouble = "\n".join(trouble) if result.returncode else ""
            self._has_failed = bool(self._trouble)
            if not any("is held by" in line for line in trouble):
                return
            threading.Event().wait(_RETRY_SECONDS)
