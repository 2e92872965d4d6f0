"""What a forked command starts instead of dbt: `dbt_forks.py` forks the dbt, this stands for it.

It has the streams, the folder and the variables, holds what the command lends to dbt, and ends as
dbt ends. Not a test: `python -I -S asking_for_dbt.py SOCKET ARGUMENTS` starts in no time.
"""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Ask, wait, and end with dbt's exit status or by its signal."""
    place, *arguments = sys.argv[1:]
    order = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 (without its import)
    }
    with socket.socket(socket.AF_UNIX) as forks:
        forks.connect(place)
        socket.send_fds(forks, [b"."], [0, 1, 2])
        with forks.makefile("rw", encoding="utf-8") as talk:
            talk.write(f"{json.dumps(order)}\n")
            talk.flush()
            process = int(talk.readline())
            for number in PASSED_ON:
                signal.signal(number, lambda number, _: os.kill(process, number))
            status = int(talk.readline())
    if status < 0:
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main()
