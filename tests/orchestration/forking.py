"""Commands in processes forked from one that has imported the libraries, which takes them seconds.

All else is as if Python had been started: the environment, the streams, the exit status; nothing of
Saldo has been imported. Its dbt is forked as well (`dbt_forks.py`), and finds the project's macros
compiled (`warming.py`). `test_startup.py` and the tests of the documents start Python itself.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from orchestration.installation import dbt_forks
from tests.orchestration.dbt_forks import lend_dbt

LIBRARIES = (
    "alembic.command",
    "babel.messages.catalog",
    "dagster",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log",
    "dagster._daemon.daemon",
    "dagster.components",
    "dagster_dbt",
    "dbt.cli.main",
    "dbt.task.build",
    "email_validator",
    "openpyxl",
    "paramiko",
    "rich.console",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.sqlite",
    "stamina",
    "starlette.middleware",
    "starlette.routing",
    "tomlkit",
    "upath",
)
# Those whose dbt is forked, too.
_WITH_DBT = ("orchestration", "tests.orchestration.erasing", "tests.orchestration.week")
_PROJECT = Path(__file__).resolve().parents[2]
_one_at_a_time = threading.Lock()


def run_module(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path = _PROJECT,
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS`, waited for.

    Args:
        module: its name.
        arguments: of the command.
        environment: all of its variables.
        folder: in which it is said.

    """
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place, name) for name in ("stdout", "stderr")]
        for stream in streams:
            stream.touch()
        order = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
            "streams": [os.devnull, *map(str, streams)],
        }
        with _one_at_a_time:
            starter = _starter()
            assert starter.stdin is not None
            assert starter.stdout is not None
            starter.stdin.write(f"{json.dumps(order)}\n")
            starter.stdin.flush()
            status = int(starter.stdout.readline())
        said = [stream.read_text("utf-8") for stream in streams]
    return subprocess.CompletedProcess([module, *arguments], status, *said)


@cache
def _starter() -> subprocess.Popen[str]:
    """The process that is forked; it ends with this one."""
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.orchestration.forking"],
        cwd=_PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(starter.communicate)
    return starter


def _become(order: dict[str, Any], streams: list[int]) -> None:
    """Be the process that was ordered, with the descriptors of its standard streams."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (the stream of this process)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    asked = lend_dbt() if order["module"] in _WITH_DBT else None
    if asked is not None:
        dbt_forks.become(asked)
        runpy.run_module("tests.orchestration.dbt_command", run_name="__main__", alter_sys=True)
        return
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    """Answer each order with the exit status of its process."""
    for library in LIBRARIES:
        importlib.import_module(library)
    warming = importlib.import_module("tests.orchestration.warming")
    warming.warm_dagster()
    warming.warm_dbt()
    for module in [name for name in sys.modules if name.split(".")[0] == "orchestration"]:
        del sys.modules[module]
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            order = json.loads(line)
            flags = os.O_RDWR | os.O_APPEND
            _become(order, [os.open(path, flags) for path in order["streams"]])
            return
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
