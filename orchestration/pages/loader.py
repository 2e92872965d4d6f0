"""Runs what carries out what operators confirmed, one run at a time, in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable

from orchestration.installation import whole_files
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.redaction import redact
from orchestration.pages.languages import marked as _

_RETRY_SECONDS = 10.0
_MOST_TRIES = 180
_WAITS = "; waiting for at most"
_UPLOADS = "load-uploads"
_REFUSED = 1
_TRACEBACK = "Traceback (most recent call last)"
_ENDED = _("`%(verb)s` ended with status %(status)s; see logs/")


class Loader:
    """Starts a verb that takes a spool; while another run holds the warehouse, again and again.

    Args:
        home: the installation.
        verb: what takes all that waits: `load-uploads` or `load-decisions`.

    """

    def __init__(self, home: Home, verb: str) -> None:
        self._home = home
        self._verb = verb
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # Whether something was asked for that the newest run may not have seen.
        self._again = False
        self._told = ""
        # The exit status of the newest run, if it failed and did not say why.
        self._untold_status: int | None = None
        self._started_for: set[str] = set()

    @property
    def is_at_work(self) -> bool:
        """Whether a run is on its way."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    @property
    def has_failed(self) -> bool:
        """Whether the newest try could not load what waits."""
        return bool(self._told) or self._untold_status is not None

    def trouble(self, translate: Callable[[str], str] = _) -> str:
        """What kept the newest try from its work, as it said it; nothing if it was done.

        Args:
            translate: from a marked text; not what the run itself said.

        """
        status = self._untold_status
        if status is None:
            return self._told
        ended = translate(_ENDED) % {"verb": self._verb, "status": status}
        return f"{self._told}\n{ended}".strip()

    def is_started_for(self, file_id: str) -> bool:
        """Whether a run was asked for because of this file."""
        return file_id in self._started_for

    def start(self, file_id: str) -> None:
        """See to it that a file is taken, with all else that waits."""
        with self._lock:
            self._started_for.add(file_id)
            self._again = True
            if not self.is_at_work:
                self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Run until nothing was asked for since the last run began: it may have looked before."""
        while True:
            for _try in range(_MOST_TRIES):
                if not self._is_held_up():
                    break
                threading.Event().wait(_RETRY_SECONDS)
            with self._lock:
                if not self._again:
                    self._thread = None
                    return

    def _is_held_up(self) -> bool:
        """Run the verb once; return whether another run holds the warehouse."""
        with self._lock:
            self._again = False
        # What it prints stays out of the server's own output.
        result = subprocess.run(  # noqa: S603 (a verb of ours)
            [sys.executable, "-m", "orchestration", self._verb],
            cwd=PROJECT,
            env={**os.environ, **self._home.environment()},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        # What kept a run from its work is told. So is that it waits for its turn.
        told = [
            line
            for line in result.stderr.splitlines()
            if line.startswith("saldo: ") and _WAITS not in line
        ]
        is_untold = result.returncode < 0 or (
            result.returncode > 0 and not told and not self._has_refused(result)
        )
        if is_untold:
            log = self._home.root / "logs" / f"{self._verb}.log"
            whole_files.write_whole(log, redact(result.stderr, os.environ).encode())
        self._told = "\n".join(told) if result.returncode else ""
        self._untold_status = result.returncode if is_untold else None
        return any("is held by" in line for line in told)

    def _has_refused(self, result: subprocess.CompletedProcess[str]) -> bool:
        """Whether it did its work, and a workbook was refused."""
        return (
            self._verb == _UPLOADS
            and result.returncode == _REFUSED
            and _TRACEBACK not in result.stderr
        )
