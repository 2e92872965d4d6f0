"""dbt, forked from a process that has its libraries: importing them takes more than a second.

A process beside a run imports them while the run does its own work, and forks a dbt whenever
`asking_for_dbt.py` asks, which Dagster starts instead of dbt. A dbt that is forked has the streams,
the folder and the variables of the one that asked, so that it holds the lock of its home (R29) and
lives on if its run is killed, like one that was started. The process ends once the run has ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

ASKING = Path(__file__).with_name("asking_for_dbt.py")
_DBT = Path(__file__).with_name("dbt_command.py")
_LIBRARIES = ("dbt.cli.main", "dbt.task.build", "dbt.adapters.duckdb")
_STANDARD_INPUT = 0
_SOCKET = "forks"

# Where this process's dbts are asked for.
_place: str | None = None


class Order(NamedTuple):
    """A dbt that was asked for.

    Args:
        told: its arguments, variables and folder.
        streams: the descriptors of its standard streams.
        connection: stays open until it ends, so that whoever asked knows.

    """

    told: dict[str, Any]
    streams: list[int]
    connection: socket.socket


def command() -> tuple[str, ...] | None:
    """Return what Dagster is to start instead of dbt; None where none is forked."""
    if _place is None:
        return None
    return sys.executable, "-I", "-S", str(ASKING), _place


def ask_at(place: str) -> None:
    """Have the dbts of this process asked for at a socket."""
    global _place  # noqa: PLW0603 (of this process)
    _place = place


@contextmanager
def lent() -> Iterator[None]:
    """Have each dbt that a run starts in this context forked; does nothing within another one.

    Where that cannot be, as on another system than Linux, dbt is started.
    """
    global _place  # noqa: PLW0603 (of this process)
    if _place is not None:
        yield
        return
    with ExitStack() as stack:
        with suppress(OSError):
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            stack.enter_context(_forking(folder))
            _place = f"{folder}/{_SOCKET}"
        try:
            yield
        finally:
            _place = None


@contextmanager
def _forking(folder: str) -> Iterator[None]:
    """Have a process fork dbts for whoever asks in a folder.

    Raises:
        OSError: there can be none.

    """
    if sys.platform != "linux":
        raise OSError
    # Not on each Linux is the end of a process waited for like this.
    os.close(os.pidfd_open(os.getpid()))
    with socket.socket(socket.AF_UNIX) as forks:
        forks.bind(f"{folder}/{_SOCKET}")
        forks.listen()
        # In a session of its own: signals of the terminal reach its dbt by the one that asked.
        process = subprocess.Popen(  # noqa: S603 (our own arguments)
            [sys.executable, "-P", __file__, str(forks.fileno()), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[forks.fileno()],
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def fork_whenever_asked(forks: socket.socket, run: int) -> Order | None:
    """Fork a dbt for each order, and answer with its process and with how it ended.

    Args:
        forks: where it is asked for one.
        run: a descriptor that is at its end once the run has ended.

    Returns:
        The order, in a process that is to be that dbt; None in this one, once the run has ended.

    """
    while run not in select.select([forks, run], [], [])[0]:
        connection, _ = forks.accept()
        # Whoever asks may be killed at any moment.
        with suppress(OSError, ValueError):
            order = _fork(connection)
            if order is not None:
                return order
        connection.close()
    return None


def _fork(connection: socket.socket) -> Order | None:
    """Fork a dbt, wait for its end and answer; return the order in the process that is to be it."""
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    try:
        talk = connection.makefile("rw", encoding="utf-8")
        told = json.loads(talk.readline())
        process = os.fork()
        if process == 0:
            _wait_for_go(talk)
            return Order(told, streams, connection)
    except BaseException:
        _close(streams)
        raise
    _close(streams)
    _kill_if_left(process, connection)
    _, status = os.waitpid(process, 0)
    talk.write(f"{os.waitstatus_to_exitcode(status)}\n")
    talk.flush()
    return None


def _wait_for_go(talk: IO[str]) -> None:
    """Name this process to whoever asked, and end if that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        talk.write(f"{os.getpid()}\n")
        talk.flush()
        is_wanted = talk.readline() == "go\n"
    except OSError:
        is_wanted = False
    if not is_wanted:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _kill_if_left(process: int, connection: socket.socket) -> None:
    """Wait until a dbt has ended; kill it if whoever asked for it is killed, as if that were it."""
    ended = os.pidfd_open(process)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    # What is said is of no interest here, only that there is nobody.
    poll.register(connection, 0)
    if ended not in (descriptor for descriptor, _ in poll.poll()):
        os.kill(process, signal.SIGKILL)
    os.close(ended)


def _close(streams: list[int]) -> None:
    for stream in streams:
        os.close(stream)


def become(order: Order) -> None:
    """Have this process the streams, the folder, the variables and the arguments of an order."""
    for number, descriptor in enumerate(order.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(_STANDARD_INPUT, closefd=False)  # noqa: SIM115 (the stream of this process)
    os.chdir(order.told["folder"])
    os.environ.clear()
    os.environ.update(order.told["environment"])
    time.tzset()
    sys.argv = ["dbt", *order.told["arguments"]]


def main() -> None:
    """Fork dbts until the run has ended."""
    descriptor, folder = sys.argv[1:]
    this_process = os.getpid()
    try:
        with socket.socket(fileno=int(descriptor)) as forks:
            for library in _LIBRARIES:
                importlib.import_module(library)
            # It has threads, which would not survive a fork.
            importlib.import_module("duckdb").default_connection().close()
            gc.freeze()
            order = fork_whenever_asked(forks, _STANDARD_INPUT)
    finally:
        if os.getpid() == this_process:
            shutil.rmtree(folder, ignore_errors=True)
    if order is not None:
        become(order)
        runpy.run_path(str(_DBT), run_name="__main__")


if __name__ == "__main__":
    main()
