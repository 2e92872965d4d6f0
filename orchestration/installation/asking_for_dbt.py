"""What Dagster starts as dbt where `dbt_forks.py` forks it: this asks for it, and stands for it.

It passes on its streams, its folder, its variables and the signals that would end dbt, and ends as
dbt ends. Where nobody forks, it becomes dbt itself. Not imported: `python -I -S asking_for_dbt.py
SOCKET ARGUMENTS` starts in no time.
"""

import json
import os
import select
import signal
import socket
import sys

# `pathlib` would take as long as all else.
_DBT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dbt_command.py")  # noqa: PTH100, PTH118, PTH120
_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

# The process of dbt, once it is known.
_dbt = 0


def main() -> None:
    """Ask, wait, and end with dbt's exit status or by its signal."""
    place, *arguments = sys.argv[1:]
    # Else a signal that comes just before a wait would be noticed after it.
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    for number in _PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _pass_on)
    with socket.socket(socket.AF_UNIX) as forks:
        status = _ask(forks, wake, place, arguments)
    if status is None:
        os.execv(sys.executable, [sys.executable, "-P", _DBT, *arguments])  # noqa: S606 (dbt)
    if status < 0:
        _end_by(-status)
    sys.exit(status)


def _ask(forks: socket.socket, wake: socket.socket, place: str, arguments: list[str]) -> int | None:
    """Have a dbt forked; return how it ended, or None if there is none."""
    global _dbt  # noqa: PLW0603 (of this process)
    order = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 (as above)
    }
    try:
        forks.connect(place)
        socket.send_fds(forks, [b"."], [0, 1, 2])
        talk = forks.makefile("rw", encoding="utf-8")
        talk.write(f"{json.dumps(order)}\n")
        talk.flush()
        _wait(forks, wake)
        _dbt = int(talk.readline() or 0)
    except OSError:
        return None
    if not _dbt:
        return None
    try:
        # It waits for this: no dbt is begun that nobody waits for.
        talk.write("go\n")
        talk.flush()
        _wait(forks, wake)
        return int(talk.readline())
    except (OSError, ValueError):
        sys.stderr.write("what had forked dbt was killed: how dbt ended is not known\n")
        return 1


def _wait(forks: socket.socket, wake: socket.socket) -> None:
    """Wait for an answer; signals are passed on meanwhile."""
    while forks not in select.select([forks, wake], [], [])[0]:
        wake.recv(1)


def _pass_on(number: int, _: object) -> None:
    if not _dbt:
        _end_by(number)
    try:
        os.kill(_dbt, number)
    except ProcessLookupError:
        return


def _end_by(number: int) -> None:
    if number in _PASSED_ON:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
