"""A command with all processes that it leaves behind: Spark's Java outlives the dbt that began it.

`python -m tests.bench.reaped PROGRAM ARGUMENTS...` ends when the last of them has ended, with the
status of the command. So whoever waits for it is told the time and the memory of all of them.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

# Of <linux/prctl.h>: a process whose parent has ended becomes a child of this one.
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run a command, wait for all that it has left, and return its exit status."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("this system leaves orphans to its first process: measure on Linux")
    status = subprocess.run(command, check=False).returncode
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
