"""Commands in processes forked from one that has imported the libraries, which takes them seconds.

All else is as if Python had been started: the environment, the streams, the exit status; nothing of
Saldo has been imported. Its dbt is forked as well (`dbt_forks.py`), and finds the project's macros
compiled (`warming.py`). What needs no dbt, and says so, is forked from a process that has imported
what it imports of Saldo. `test_startup.py` and the tests of the documents start Python itself.
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

import duckdb

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
# Those that need no dbt, and import nothing that looks at the environment.
_WITHOUT_DBT = ("tests.orchestration.carrying",)
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
            starter = _starter(*(each for each in _WITHOUT_DBT if each == module))
            assert starter.stdin is not None
            assert starter.stdout is not None
            starter.stdin.write(f"{json.dumps(order)}\n")
            starter.stdin.flush()
            status = int(starter.stdout.readline())
        said = [stream.read_text("utf-8") for stream in streams]
    return subprocess.CompletedProcess([module, *arguments], status, *said)


@cache
def _starter(*modules: str) -> subprocess.Popen[str]:
    """The process that is forked, of any module or of these; it ends with this one."""
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.orchestration.forking", *modules],
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


def work_on_one_core() -> None:
    """Have DuckDB work without threads of its own, which wait for each other at each small query.

    Their waiting takes up to a quarter of a small day's CPU. A command and a dbt that are started,
    as by the daemon and in the documents, have as many threads as there are cores.
    """
    connect = duckdb.connect

    def connect_on_one_core(
        *values: Any, config: Mapping[str, Any] | None = None, **others: Any
    ) -> Any:
        return connect(*values, config={"threads": 1, **(config or {})}, **others)

    duckdb.connect = connect_on_one_core


def _import_with_dbt() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    warming = importlib.import_module("tests.orchestration.warming")
    warming.warm_dagster()
    warming.warm_dbt()
    for module in [name for name in sys.modules if name.split(".")[0] == "orchestration"]:
        del sys.modules[module]


def _import_what_these_do(modules: Sequence[str]) -> None:
    work_on_one_core()
    for module in modules:
        importlib.import_module(module)
        # It is run anew in each process.
        del sys.modules[module]
    # It has a thread, which would not survive a fork.
    duckdb.default_connection().close()


def main() -> None:
    """Answer each order with the exit status of its process."""
    modules = sys.argv[1:]
    if modules:
        _import_what_these_do(modules)
    else:
        _import_with_dbt()
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
