"""What the cases share: the bench, the files of its days, and the days themselves."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestration.devtools.loopback_sftp import LoopbackServer
from tests.bench.data import business_date, file_name
from tests.bench.installation import Installation, make
from tests.bench.measure import Measured, python, run

ORGANIZATION = "acme"


@dataclass
class Bench:
    """What the cases share.

    Args:
        root: the folder of everything.
        server: the SFTP server.
        size: debts in the file.
        repeats: runs of each case.
        year_days: days of the year.
        year_size: debts in each of its files.
        peers_python: the interpreter that has the peers' packages.
        floor_seconds: the median of the floor, once it has run.

    """

    root: Path
    server: LoopbackServer
    size: int
    repeats: int
    year_days: int
    year_size: int
    peers_python: Path
    floor_seconds: float | None = None

    @property
    def shift(self) -> int:
        """One in a hundred is new, one in a hundred gone; with 2 % other amounts that is 4 %."""
        return self.size // 100

    def log(self, name: str) -> Path:
        """Where a command says what it has to say."""
        return self.root / "logs" / f"{name}.log"

    def file(self, day: int) -> Path:
        """The one large debts file of a day."""
        return self.server.root / ORGANIZATION / "inbox" / file_name(day)

    def make_file(self, day: int) -> Path:
        """The same, made if it is not there."""
        if not self.file(day).exists():
            self.file(day).parent.mkdir(parents=True, exist_ok=True)
            self._make_data([ORGANIZATION], self.root / f"events_{day}", self.size, day, self.shift)
        return self.file(day)

    def make_day(self, at: Installation, size: int, day: int, shift: int) -> None:
        """Leave a day's files and events where an installation looks for them."""
        events = at.home.events / f"{business_date(day)}.jsonl"
        self._make_data(at.organization_ids, events, size, day, shift)

    def _make_data(
        self, organization_ids: list[str], events: Path, size: int, day: int, shift: int
    ) -> None:
        numbers = (str(size), str(day), str(shift))
        module = ("-m", "tests.bench.data")
        names = ",".join(organization_ids)
        run(python(*module, self.server.root, events, *numbers, names), self.log("data"))


def install(bench: Bench, name: str, organization_ids: list[str]) -> Installation:
    """A new installation of a case."""
    return make(bench.root / name, bench.server, organization_ids)


def day_command(day: int) -> list[str | Path]:
    """The command that runs a business date."""
    return python("-m", "orchestration", "run", "--date", business_date(day).isoformat())


def run_day(
    bench: Bench, at: Installation, day: int, environment: dict[str, str] | None = None
) -> Measured:
    """Run a business date as an operator would, and read what its steps took."""
    done = run(day_command(day), bench.log(f"run_{day}"), at.environment | (environment or {}))
    steps = python("-m", "tests.bench.steps", at.home.root, str(done.seconds))
    return replace(done, steps=read_json(steps, at.environment))


def read_json(command: list[str | Path], environment: dict[str, str] | None = None) -> Any:
    """What a command prints."""
    said = subprocess.run(
        [str(each) for each in command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(said.stdout)
