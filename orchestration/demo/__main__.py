"""`python -m orchestration.demo`: runs the demo in SALDO_HOME (default `data/demo`)."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

from orchestration import runs
from orchestration.__main__ import open_home, run_day
from orchestration.demo.samples import DAYS, STORY, events_of, files_of
from orchestration.home import PROJECT
from orchestration.loopback_sftp import LoopbackServer, serve

_MARKER = ".saldo-demo"


def main() -> None:
    """Three business dates of three sample organizations, told as they happen."""
    console = Console()
    root = (PROJECT / os.environ.get("SALDO_HOME", "data/demo")).resolve()
    _clear(root)
    os.environ["SALDO_HOME"] = str(root)
    with serve(root / "server", root / "server_state") as server:
        os.environ["SALDO_SEEDS"] = str(_make_seeds(root, server))
        home = open_home()
        organization_ids = _organization_ids(home.seeds)
        os.environ.update(server.environment(organization_ids))
        _make_folders(server, organization_ids)
        console.print(
            f"An SFTP server ({server.kind}) listens on port {server.port} of this machine; the"
            f" organizations' folders are in {server.root}.\n",
            soft_wrap=True,
            highlight=False,
        )
        for day in DAYS:
            console.rule(f"[bold]{day:%A} {day}", align="left")
            console.print(STORY[day])
            for file in files_of(day):
                (server.root / file.organization_id / "inbox" / file.name).write_bytes(file.content)
            (home.events / f"{day}.jsonl").write_text(events_of(day), encoding="utf-8")
            with runs.exclusive(home):
                run_day(console, home, day)
            console.print()
    shown = home.root.relative_to(Path.cwd()) if home.root.is_relative_to(Path.cwd()) else home.root
    console.print(f"Query what analysts read:  make sql SALDO_HOME={shown}", highlight=False)
    console.print(f"See runs and lineage:      make dev SALDO_HOME={shown}", highlight=False)


def _clear(root: Path) -> None:
    """Begin anew in a folder that is a former demo's or no one's."""
    if root.exists() and any(root.iterdir()) and not (root / _MARKER).exists():
        sys.exit(f"saldo: {root} is not a demo's; name another folder with SALDO_HOME")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / _MARKER).touch()


def _make_seeds(root: Path, server: LoopbackServer) -> Path:
    """The project's seeds with the loopback server as everyone's server."""
    seeds = root / "seeds"
    shutil.copytree(PROJECT / "seeds", seeds)
    path = seeds / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        row["sftp_port"], row["sftp_username"] = str(server.port), server.username
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return seeds


def _organization_ids(seeds: Path) -> list[str]:
    with (seeds / "organizations.csv").open(encoding="utf-8", newline="") as source:
        return [row["organization_id"] for row in csv.DictReader(source)]


def _make_folders(server: LoopbackServer, organization_ids: list[str]) -> None:
    for organization_id in organization_ids:
        for folder in ("inbox", "outbox"):
            (server.root / organization_id / folder).mkdir(parents=True)


if __name__ == "__main__":
    main()
