"""Dates of the past, run by Dagster's daemon: a backfill, a run that is killed, a lost warehouse.

Two dates of the sample organizations, whose files and events all wait when the first is run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS
from orchestration.devtools.loopback_sftp import serve
from orchestration.installation import locking, warehouse
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.forking import run_module
from tests.orchestration.starting import lend_parse

MONDAY, TUESDAY, WEDNESDAY = (day.isoformat() for day in DAYS)
ORGANIZATIONS = ("andes_seguros", "colegio_pehuen", "lumina")
PATIENCE_SECONDS = 400


@dataclass(frozen=True)
class Site:
    """An installation beside which the daemon is at work."""

    home: Home
    server_root: Path
    environment: dict[str, str]
    instance: dg.DagsterInstance

    def dagster(self, *arguments: str) -> None:
        """Dagster's own command, as an operator types it in the project's folder."""
        done = run_module("dagster", arguments, {**os.environ, **self.environment})
        assert done.returncode == 0, done.stderr[-2000:]

    def backfill(self, *dates: str) -> None:
        """Ask for dates; the daemon runs them."""
        chosen = ("--partitions", ",".join(dates))
        self.dagster("job", "backfill", "--job", "business_date", *chosen, "--noprompt")

    def run(self, date: str) -> None:
        """Ask for one date."""
        tags = json.dumps({"dagster/partition": date})
        self.dagster("job", "launch", "--job", "business_date", "--tags", tags)

    def runs(self) -> list[tuple[str, str]]:
        """The dates that were run and what became of each run, oldest first."""
        runs = self.instance.get_runs()[::-1]
        return [(run.tags["dagster/partition"], run.status.value) for run in runs]

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that the daemon brings about.

        Raises:
            TimeoutError: it did not; the message says what the runs did instead.

        """
        patience_ends = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > patience_ends:
                raise TimeoutError(f"runs: {self.runs()}")
            time.sleep(0.2)

    def wait_for_runs(self, *statuses: str) -> None:
        """Wait until the runs have come to these ends."""
        self.wait_until(lambda: [status for _, status in self.runs()] == list(statuses))

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows that the warehouse stores, but its id, which each warehouse has of its own."""
        with warehouse.reading(self.home) as connection:
            names = connection.execute(
                "select schema_name || '.' || table_name from duckdb_tables()"
                " where table_name <> 'warehouse_id' order by all"
            ).fetchall()
            columns = "columns(lambda name: name <> 'warehouse_id')"
            return {
                name: connection.execute(f"select {columns} from {name} order by all").fetchall()
                for (name,) in names
            }

    def outboxes(self) -> dict[str, bytes]:
        """What the organizations find."""
        paths = self.server_root.glob("*/outbox/*")
        return {f"{path.parts[-3]}/{path.name}": path.read_bytes() for path in paths}

    def publications(self) -> list[tuple[object, ...]]:
        """Which publication was opened, and by which load."""
        with warehouse.reading(self.home) as connection:
            return connection.execute(
                "select organization_id, cast(business_date as varchar), load_id"
                " from intermediate.int_publications__opened order by all"
            ).fetchall()


def _instance(home: Home, variables: pytest.MonkeyPatch) -> dg.DagsterInstance:
    """The instance, its tables made before the daemon starts, as on a server."""
    variables.setenv("DAGSTER_HOME", str(home.dagster))
    migrated = run_module("dagster", ("instance", "migrate"), os.environ)
    assert migrated.returncode == 0, migrated.stderr
    return dg.DagsterInstance.get()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("backfill")
    with serve(root / "server", root / "server_state") as server:
        home, environment = installation.make(root / "home", server)
        lend_parse(home)
        for day in DAYS[:2]:
            installation.upload(home, server.root, day)
        with (
            (root / "daemon.log").open("wb") as log,
            pytest.MonkeyPatch.context() as variables,
            _instance(home, variables) as instance,
            subprocess.Popen(
                [Path(sys.executable).with_name("dagster-daemon"), "run"],
                cwd=PROJECT,
                env={**os.environ, **environment, "PYTHONPATH": str(PROJECT)},
                stdout=log,
                stderr=log,
            ) as daemon,
        ):
            try:
                yield Site(home, server.root, environment, instance)
            finally:
                daemon.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def backfilled(site: Site) -> tuple[dict[str, bytes], list[tuple[object, ...]]]:
    """The outboxes and the publications after a backfill of both dates."""
    site.backfill(MONDAY, TUESDAY)
    site.wait_for_runs("SUCCESS", "SUCCESS")
    return site.outboxes(), site.publications()


def test_each_date_of_a_backfill_is_run_once_and_its_publication_opened_once(
    site: Site, backfilled
) -> None:
    outboxes, publications = backfilled
    assert site.runs() == [(MONDAY, "SUCCESS"), (TUESDAY, "SUCCESS")]
    assert publications == [
        (organization_id, day, load_id)
        for organization_id in ORGANIZATIONS
        for load_id, day in ((1, MONDAY), (2, TUESDAY))
    ]
    assert set(outboxes) == {
        f"{organization_id}/{day}_toku_{name}"
        for organization_id in ORGANIZATIONS
        for day in (MONDAY, TUESDAY)
        for name in (
            "payments.csv",
            "payments.json",
            "invoices.csv.result.csv",
            "invoices.csv.summary.csv",
        )
    }


@pytest.fixture(scope="module")
def run_again(site: Site, backfilled) -> Site:
    """The first date has been run again, after the second, and that run was killed."""
    site.run(MONDAY)
    site.wait_until(lambda: "at work" in str(locking.holder(site.home)))
    process = str(locking.holder(site.home)).removeprefix("process ").partition(",")[0]
    os.kill(int(process), signal.SIGKILL)
    site.wait_for_runs("SUCCESS", "SUCCESS", "FAILURE", "SUCCESS")
    return site


def test_a_date_that_is_run_again_changes_no_file_whatever_becomes_of_the_run(
    run_again: Site, backfilled
) -> None:
    """The daemon starts the killed run again by itself."""
    assert run_again.runs()[2:] == [(MONDAY, "FAILURE"), (MONDAY, "SUCCESS")]
    assert (run_again.outboxes(), run_again.publications()) == backfilled


def test_a_lost_warehouse_is_rebuilt_from_the_landing_area_by_running_any_date(
    run_again: Site,
) -> None:
    """The organizations have taken their files away meanwhile, and nothing is sent again."""
    site, before = run_again, run_again.tables()
    for path in site.server_root.glob("*/*box/*"):
        path.unlink()
    site.home.warehouse.replace(site.home.root / "lost.duckdb")
    site.dagster("sensor", "start", "landed_loads")
    site.run(TUESDAY)
    site.wait_for_runs("SUCCESS", "SUCCESS", "FAILURE", *["SUCCESS"] * 4)
    assert site.runs()[4:] == [(TUESDAY, "SUCCESS")] * 3
    assert site.tables() == before
    assert len(before["raw.loads"]) == 3
    assert site.outboxes() == {}


def test_the_command_waits_for_the_run_of_the_daemon_and_each_file_is_taken_once(
    site: Site,
) -> None:
    """Both are asked for the date whose files have just come."""
    installation.upload(site.home, site.server_root, DAYS[2])
    former = site.runs()
    site.run(WEDNESDAY)
    site.wait_until(lambda: "at work" in str(locking.holder(site.home)))
    held_by = str(locking.holder(site.home))
    command = subprocess.run(
        [sys.executable, "-m", "orchestration", "run", "--date", WEDNESDAY],
        cwd=PROJECT,
        env={**os.environ, **site.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in command.stderr
    assert f"is held by {held_by}; waiting for at most 1800 seconds" in command.stderr
    site.wait_for_runs(*[status for _, status in former], "SUCCESS", "SUCCESS")
    with warehouse.reading(site.home) as connection:
        files = connection.execute(
            "select organization_id, count(*) from intake_files"
            f" where business_date = '{WEDNESDAY}' group by all order by all"
        ).fetchall()
    assert files == [("colegio_pehuen", 1), ("lumina", 1)]
    assert {name for name in site.outboxes() if name.endswith("payments.csv")} == {
        f"{organization_id}/{WEDNESDAY}_toku_payments.csv" for organization_id in ORGANIZATIONS
    }
