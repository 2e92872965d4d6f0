"""The dbt of a forked command, forked from the same process: macros are compiled in it already.

A process beside the command forks it, and ends once the command has. A command whose dbt is to be
killed is started, not forked.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from orchestration.installation.dbt_forks import Order, fork_whenever_asked


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
            # Of the command, which imports all of Saldo anew.
            from orchestration.installation.dbt_forks import ask_at

            ask_at(place)
            return None
        os.close(_held_until_it_ends)
        order = fork_whenever_asked(forks, this_one)
    if order is None:
        shutil.rmtree(folder)
        os._exit(0)
    return order
