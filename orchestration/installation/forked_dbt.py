"""dbt in a process that is forked from this one.

Dagster has already imported most of dbt. A process that starts with Python imports all of it again,
which takes a tenth of a small day. A forked process is otherwise like one that was started: it has
its own environment, folder and streams, it may be killed alone, and it outlives a killed run. It
keeps the lock of the home, which a run has open, for as long as it lives (R29).
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

# macOS may end a process that its libraries have used before it was forked.
CAN_FORK = sys.platform == "linux"

_POLL_SECONDS = 0.05


class ForkedDbt:
    """dbt at work, with the part of `subprocess.Popen` that dagster-dbt uses."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        """Start dbt; nothing else may use DuckDB in this process meanwhile.

        Args:
            arguments: of the command line, without the program.
            environment: all of its variables.
            folder: its working folder.

        """
        self.args = ["dbt", *arguments]
        self.returncode: int | None = None
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _become_dbt(self.args, environment, folder, writing)
        os.close(writing)
        self.stdout = os.fdopen(reading, "rb")

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.

        """
        patience_ends = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            process, status = os.waitpid(self.pid, 0 if patience_ends is None else os.WNOHANG)
            if process == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif patience_ends is not None and time.monotonic() >= patience_ends:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            else:
                time.sleep(_POLL_SECONDS)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)


def _become_dbt(
    arguments: list[str], environment: Mapping[str, str], folder: Path, output: int
) -> NoReturn:
    """Be the process of dbt, and end as it does. Nothing of the former process is cleaned up."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.close(output)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (the stream of this process)
        sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = arguments
        # The process ends with its build, and nearly all objects stay in use until then.
        gc.disable()
        from dbt.cli.main import cli  # noqa: PLC0415 (in this process alone)

        cli(arguments[1:], prog_name=arguments[0])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        # Whatever happens here, such as that nobody reads any more, the copy of the former process
        # must not go on as that process.
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
