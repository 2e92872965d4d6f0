"""An SFTP server whose processes stand still for a while."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from orchestration.devtools.loopback_sftp import LoopbackServer


def processes_of(server: LoopbackServer) -> list[int]:
    """The listening process and those of its connections."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
    processes = [server.process_id]
    for parent in processes:
        processes += [child for child, its_parent in pairs if its_parent == parent]
    return processes


@contextmanager
def frozen(server: LoopbackServer) -> Iterator[None]:
    """The server and the processes of its connections stand still until the block ends."""
    processes = processes_of(server)
    # A connection of a former test may be ending.
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            # One of them may have ended with the one that was let go before it.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
