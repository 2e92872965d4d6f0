"""Any step may be killed at any moment and run again: the tables and files come out the same (R29).

One business date is killed at each step in turn, every run starting from what the killed one left,
and comes to its end at last. Beside it, an installation whose run nobody disturbed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT
from tests.orchestration.installations import Installed, install
from tests.orchestration.killing import STEPS

# What every column but instants and the ids that contain them must agree on.
TABLES = {
    "debts": "* exclude (updated_at, first_file_id, version_file_id)",
    "debts_history": """
        * exclude (
            updated_at, first_file_id, version_file_id, dbt_scd_id, dbt_updated_at,
            dbt_valid_from, dbt_valid_to
        ), dbt_valid_to is null
    """,
    "payments": "* exclude (updated_at)",
    "payments_file_lines": "* exclude (published_at)",
    "intake_files": "* exclude (file_id, seen_at, received_at, judged_at, modified_at)",
    "intake_rejections": "* exclude (file_id, received_at)",
}


class Site(Installed):
    """An installation, and what is seen of it from outside."""

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """What analysts read."""
        with duckdb.connect(str(self.home.analytics), read_only=True) as connection:
            return {
                name: connection.execute(f"select {what} from {name} order by all").fetchall()
                for name, what in TABLES.items()
            }

    def attempts(self) -> list[tuple[str, str]]:
        """The files that were to be delivered, and what came of each attempt."""
        with warehouse.reading(self.home) as connection:
            return connection.execute("select file_name, outcome from raw.deliveries").fetchall()

    def files(self) -> dict[str, bytes]:
        """Every file that an organization or an operator can see in an outbox."""
        folders = {"local": self.home.outbox, "remote": self.server_root}
        return {
            f"{place}/{path.relative_to(folder)}": _without_the_time(path.read_bytes())
            for place, folder in folders.items()
            for path in folder.rglob("*")
            if path.is_file() and (place == "local" or path.parent.name == "outbox")
        }


class Runner:
    """The process that forks the runs of a day.

    A machine without memory may end it itself, or refuse it to fork. Then the run is one that was
    killed at any moment: another process is asked for it again, once.
    """

    def __init__(self, environment: Mapping[str, str], day: date = DAYS[0]) -> None:
        self._environment, self._day = environment, day
        self._process = self._start()

    def run(self, step: str) -> int:
        """The exit status of a run that is killed at a step."""
        ends = []
        for _ in range(2):
            answer = self._ask(step)
            if answer:
                return int(answer)
            ends.append(self._process.wait())
            self._process = self._start()
        raise AssertionError(f"the process that forks the runs ended by itself, with {ends}")

    def end(self) -> None:
        """End the process."""
        self._process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.orchestration.killing", self._day.isoformat()],
            cwd=PROJECT,
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, step: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{step}\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()


@dataclass(frozen=True)
class Disturbed(Site):
    """One whose runs are killed."""

    runner: Runner

    def run(self, step: str = "") -> int:
        """The exit status of a run of the first day that is killed at a step."""
        return self.runner.run(step)


def _without_the_time(content: bytes) -> bytes:
    """A file without the line of an answer that says when its file was received."""
    return re.sub(rb"^recibido.*\n", b"", content, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with install(tmp_path_factory.mktemp("undisturbed"), Site, days=1) as site:
        yield site


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    with install(tmp_path_factory.mktemp("disturbed"), Site) as site:
        site.upload(DAYS[0])
        runner = Runner(site.environment)
        yield Disturbed(site.home, site.server_root, site.environment, runner)
        runner.end()


def test_a_run_is_asked_for_again_when_the_process_that_forks_it_is_gone(
    disturbed: Disturbed,
) -> None:
    runner = Runner(disturbed.environment)
    runner._process.kill()
    runner._process.wait()
    assert runner.run("a step that is none") == 1
    runner.end()


@pytest.mark.parametrize("step", STEPS)
def test_a_run_is_killed(disturbed: Disturbed, step: str) -> None:
    assert disturbed.run(step) == -signal.SIGKILL
    visible = [name for name in disturbed.files() if not Path(name).name.startswith(".")]
    assert {Path(name).name for name in visible} <= {
        f"{DAYS[0]}_toku_payments.csv",
        f"{DAYS[0]}_toku_payments.json",
        f"{DAYS[0]}_toku_invoices.csv.result.csv",
        f"{DAYS[0]}_toku_invoices.csv.summary.csv",
    }
    # R28: a run publishes what it has built and tested before it delivers.
    is_built = list(STEPS).index(step) >= list(STEPS).index("before the local file has its name")
    assert disturbed.home.analytics.exists() is is_built


def test_after_all_that_the_run_gives_the_same_tables_and_files(
    undisturbed: Site, disturbed: Disturbed
) -> None:
    assert disturbed.run() == 0
    assert disturbed.tables() == undisturbed.tables()
    assert disturbed.files() == undisturbed.files()
    assert {outcome for _, outcome in disturbed.attempts()} <= {
        "begun",
        "delivered",
        "already_there",
    }
    # three payments files with their manifests, here and there, and there two answers each
    assert len(undisturbed.files()) == 3 * (2 + 4)
    leftovers = [path.name for path in disturbed.home.root.glob(".*")]
    leftovers += [path.name for path in disturbed.home.landing.rglob(".*")]
    assert leftovers == []


def test_what_a_killed_run_had_taken_is_told_by_the_run_of_another_date(undisturbed: Site) -> None:
    """Its load is carried through first, and what is wrong with it is in nobody else's report."""
    (undisturbed.server_root / "lumina" / "inbox" / f"{DAYS[1]}_toku_invoices.csv").write_bytes(
        b"no,debts\n"
    )
    runner = Runner(undisturbed.environment, DAYS[1])
    assert runner.run("after the manifest is written") == -signal.SIGKILL
    runner.end()
    result = undisturbed.command("run", "--date", DAYS[2].isoformat())
    assert result.returncode == 1, result.stdout + result.stderr
    assert [f"{day}: what came, and what was told" in result.stdout for day in DAYS[1:3]] == [
        True
    ] * 2
    assert f"lumina {DAYS[1]}_toku_invoices.csv refused (" in result.stdout
