"""Runs what takes confirmed uploads into the warehouse, one run at a time, in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from orchestration.installation.home import PROJECT, Home

_RETRY_SECONDS = 10.0
_MOST_TRIES = 180


class Loader:
    """Starts `load-uploads`; while another run holds the warehouse, again and again."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._has_failed = False
        self._started_for: set[str] = set()

    @property
    def is_at_work(self) -> bool:
        """Whether a run is on its way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_failed(self) -> bool:
        """Whether the newest try could not load what waits."""
        return self._has_failed

    def is_started_for(self, file_id: str) -> bool:
        """Whether a run was asked for because of this upload."""
        return file_id in self._started_for

    def start(self, file_id: str) -> None:
        """See to it that an upload is taken, with all else that waits."""
        with self._lock:
            self._started_for.add(file_id)
            if not self.is_at_work:
                self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        for _ in range(_MOST_TRIES):
            # What it prints stays out of the server's own output.
            result = subprocess.run(
                [sys.executable, "-m", "orchestration", "load-uploads"],
                cwd=PROJECT,
                env={**os.environ, **self._home.environment()},
                capture_output=True,
                text=True,
                check=False,
            )
            # Exit 1 is also a workbook that was refused; what kept a run from its work is told.
            trouble = [line for line in result.stderr.splitlines() if line.startswith("saldo: ")]
            self._has_failed = result.returncode != 0 and bool(trouble)
            if not any("is held by" in line for line in trouble):
                return
            threading.Event().wait(_RETRY_SECONDS)
