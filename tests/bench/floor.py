"""The floor: a day's bytes through bare tools, which verify, decide and remember nothing.

`python -m tests.bench.floor CONFIGURATION` with a JSON file; writes the seconds of each step.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from tests.bench.data import HEADER, KEY

_TABLE = "create or replace table {name} as select * from read_csv('{path}', all_varchar = true)"
_JOIN = """
create or replace table new_state as
select {columns}, old_state.{first} is null as is_new, new_file.{first} is null as is_gone
from old_state full outer join new_file on {condition}
"""


def prepare(warehouse: Path, former_file: Path) -> None:
    """Make the state of the day before, which is not measured."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(_TABLE.format(name="old_state", path=former_file))


def main(configuration: dict[str, str]) -> dict[str, float]:
    """Fetch, read, join, copy; the seconds of each."""
    steps: dict[str, float] = {}
    started = time.perf_counter()

    def step(name: str) -> None:
        nonlocal started
        steps[name] = time.perf_counter() - started
        started = time.perf_counter()

    local = configuration["local"]
    with subprocess.Popen(
        [
            "sftp",
            *("-q", "-b", "-", "-P", configuration["port"]),
            *("-i", configuration["key"], "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={configuration['known_hosts']}"),
            f"{configuration['username']}@127.0.0.1",
        ],
        stdin=subprocess.PIPE,
        text=True,
    ) as client:
        client.communicate(f"get {configuration['remote']} {local}\n")
    if client.returncode:
        sys.exit("sftp failed")
    step("sftp client fetches the file")
    with duckdb.connect(configuration["warehouse"], config={"memory_limit": "4GB"}) as connection:
        connection.execute(_TABLE.format(name="new_file", path=local))
        step("read_csv as text into a table")
        connection.execute(
            _JOIN.format(
                columns=", ".join(
                    f"coalesce(new_file.{name}, old_state.{name}) as {name}" for name in HEADER
                ),
                condition=" and ".join(f"old_state.{name} = new_file.{name}" for name in KEY),
                first=KEY[0],
            )
        )
        step("full outer join of old and new")
        connection.execute(f"attach '{configuration['published']}' as published")
        connection.execute("create table published.main.debts as from new_state")
        connection.execute("detach published")
    step("copy to the published file")
    return steps


if __name__ == "__main__":
    path = Path(sys.argv[1])
    settings = json.loads(path.read_text())
    if settings["act"] == "prepare":
        prepare(Path(settings["warehouse"]), Path(settings["former_file"]))
    else:
        Path(settings["steps"]).write_text(json.dumps(main(settings)))
