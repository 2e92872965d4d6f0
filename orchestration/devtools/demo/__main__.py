"""Run the demo in SALDO_HOME (default `data/demo`): `python -m orchestration.devtools.demo`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS, STORY
from orchestration.devtools.loopback_sftp import serve
from orchestration.installation import locking
from orchestration.installation.home import PROJECT
from orchestration.verbs.running import run_day

_MARKER = ".saldo-demo"


def main() -> None:
    """Run three business dates of three sample organizations, the last one twice, with comments."""
    console = Console()
    root = (PROJECT / os.environ.get("SALDO_HOME", "data/demo")).resolve()
    _clear(root)
    with serve(root / "server", root / "server_state") as server:
        home, environment = installation.make(root, server)
        os.environ.update(environment)
        console.print(
            f"An SFTP server ({server.kind}) listens on port {server.port} of this machine; the"
            f" organizations' folders are in {server.root}.\n",
            soft_wrap=True,
            highlight=False,
        )
        for day in DAYS:
            console.rule(f"[bold]{day:%A} {day}", align="left")
            console.print(STORY[day], highlight=False)
            installation.upload(home, server.root, day)
            with locking.exclusive(home):
                run_day(console, home, day)
            console.print()
        console.rule(f"[bold]{DAYS[-1]:%A} {DAYS[-1]} again", align="left")
        with locking.exclusive(home):
            run_day(console, home, DAYS[-1])
        console.print()
    shown = home.root.relative_to(Path.cwd()) if home.root.is_relative_to(Path.cwd()) else home.root
    console.print(f"Query what analysts read:  make sql SALDO_HOME={shown}", highlight=False)
    console.print(f"See runs and lineage:      make dev SALDO_HOME={shown}", highlight=False)
    console.print(f"Open the console:          make pages SALDO_HOME={shown}", highlight=False)


def _clear(root: Path) -> None:
    """Empty the folder of a former demo, or create a new one."""
    if root.exists() and any(root.iterdir()) and not (root / _MARKER).exists():
        sys.exit(f"saldo: {root} is not a demo's; name another folder with SALDO_HOME")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / _MARKER).touch()


if __name__ == "__main__":
    main()
