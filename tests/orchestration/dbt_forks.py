"""The dbt of a forked command, forked as well: importing its libraries takes more than a second.

A process beside the command forks it when asking_for_dbt.py asks, and ends once the command has. A
command whose dbt is to be killed is started, not forked.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_ASKING = Path(__file__).with_name("asking_for_dbt.py")


class Order(NamedTuple):
    """A dbt that was asked for.

    Args:
        told: its arguments, variables and folder.
        streams: the descriptors of its standard streams.

    """

    told: dict[str, Any]
    streams: list[int]


def lend_dbt() -> Order | None:
    """Have this process find a dbt that is forked.

    Returns:
        None in this process. In each process that is to be a dbt, which.

    """
    folder = tempfile.mkdtemp()
    place = f"{folder}/forks"
    with socket.socket(socket.AF_UNIX) as forks:
        forks.bind(place)
        forks.listen()
        this_one, _held_until_it_ends = os.pipe()
        if os.fork():
            os.close(this_one)
            from orchestration.installation import dbt_project

            dbt_project.DBT = (sys.executable, "-I", "-S", str(_ASKING), place)
            return None
        os.close(_held_until_it_ends)
        order = _fork_whenever_asked(forks, this_one)
    if order is None:
        shutil.rmtree(folder)
        os._exit(0)
    return order


def _fork_whenever_asked(forks: socket.socket, command: int) -> Order | None:
    """Fork until the command has ended; the order in a forked process, None in this one."""
    while forks in select.select([forks, command], [], [])[0]:
        connection, _ = forks.accept()
        with connection, suppress(BrokenPipeError):
            _, streams, *_ = socket.recv_fds(connection, 1, 3)
            with connection.makefile("rw", encoding="utf-8") as talk:
                told = json.loads(talk.readline())
                process = os.fork()
                if process == 0:
                    return Order(told, streams)
                for stream in streams:
                    os.close(stream)
                talk.write(f"{process}\n")
                talk.flush()
                _, status = os.waitpid(process, 0)
                talk.write(f"{os.waitstatus_to_exitcode(status)}\n")
    return None
