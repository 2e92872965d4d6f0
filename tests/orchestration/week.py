"""Four days of the sample organizations as the daemon lives them, at instants that are simulated.

Not a test: test_week.py has it forked and reads what it writes, one JSON object for each instant:
what was asked for, and what the run found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from orchestration.definitions import defs
from orchestration.defs import schedules, sensors
from orchestration.delivery import published_copy
from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS, SampleFile, files_of
from orchestration.installation import locking
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import decisions
from orchestration.reports.run_alerts import alert_of

MONDAY, TUESDAY, WEDNESDAY = DAYS
THURSDAY = WEDNESDAY + timedelta(days=1)


class Daemon:
    """Evaluates the schedule and the sensor as Dagster's daemon does, and runs what they ask."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        definitions = defs()
        self._job = definitions.resolve_job_def("business_date")
        self._repository = definitions.get_repository_def()
        self._cursor: str | None = None

    def tick(self, instant: datetime) -> None:
        """One evaluation of everything at an instant; writes down what came of it."""
        asked = {
            name: [str(request.partition_key) for request in requests]
            for name, requests in (
                ("cut_offs", self._evaluate_schedule(instant)),
                ("late_arrivals", self._evaluate_sensor(instant)),
            )
            if requests
        }
        found = [self._run(day) for days in asked.values() for day in days]
        told = {"at": f"{instant:%a %H:%M}", "asked": asked, "found": found}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()

    def _evaluate_schedule(self, instant: datetime) -> list[dg.RunRequest]:
        with dg.build_schedule_context(
            self._instance, instant, repository_def=self._repository
        ) as context:
            return list(schedules.cut_offs.evaluate_tick(context).run_requests or ())

    def _evaluate_sensor(self, instant: datetime) -> list[dg.RunRequest]:
        sensors.utc_now = lambda: instant
        with dg.build_sensor_context(
            self._instance, self._cursor, repository_def=self._repository
        ) as context:
            tick = sensors.late_arrivals.evaluate_tick(context)
            self._cursor = tick.cursor or self._cursor
            return list(tick.run_requests or ())

    def _run(self, day: str) -> list[str]:
        stdout, sys.stdout = sys.stdout, sys.stderr
        try:
            result = self._job.execute_in_process(instance=self._instance, partition_key=day)
        finally:
            sys.stdout = stdout
        run = self._instance.get_run_by_id(result.run_id)
        alert = alert_of(self._instance, run) if run else None
        return list(alert.lines) if alert else []


def live(home: Home, server_root: Path) -> Iterator[datetime]:
    """The instants, and what happens between them."""
    late = _file_of("lumina", WEDNESDAY)
    # 15 of Colegio Pehuén's 62 debts: more would be withdrawn than its contract allows.
    short = replace(_file_of("colegio_pehuen", TUESDAY), name=f"{THURSDAY}_toku_invoices.csv")

    installation.upload(home, server_root, MONDAY)
    yield _at(MONDAY, 7, 55)
    yield _at(MONDAY, 8, 0)
    yield _at(MONDAY, 8, 5)
    # On Tuesday the machine is off; Lumina's file of Wednesday is late.
    installation.upload(home, server_root, TUESDAY)
    installation.upload(home, server_root, WEDNESDAY)
    _path(server_root, late).unlink()
    yield _at(WEDNESDAY, 8, 0)
    yield _at(WEDNESDAY, 8, 5)
    yield _at(WEDNESDAY, 8, 10)
    _path(server_root, late).write_bytes(late.content)
    yield _at(WEDNESDAY, 14, 1)
    yield _at(WEDNESDAY, 14, 2)
    yield _at(WEDNESDAY, 14, 3)
    yield _at(THURSDAY, 7, 59)
    _path(server_root, short).write_bytes(short.content)
    yield _at(THURSDAY, 8, 0)
    yield _at(THURSDAY, 8, 5)
    # That of Tuesday waits no longer: Wednesday's, which was applied, has overtaken it.
    (short_one,) = _held_files(home)
    _say_while_a_run_is_at_work(home, "approve", short_one)
    yield _at(THURSDAY, 9, 0)
    yield _at(THURSDAY, 9, 1)
    yield _at(THURSDAY, 9, 2)


def _held_files(home: Home) -> list[str]:
    with published_copy.reading(home) as published:
        return [file.file_id for file in decisions.read_held(published)]


def _say_while_a_run_is_at_work(home: Home, verb: str, file_id: str) -> None:
    """The operator's command, which notes the decision and has no patience to carry it out."""
    with locking.exclusive(home):
        said = subprocess.run(
            [sys.executable, "-m", "orchestration", verb, file_id],
            cwd=PROJECT,
            env={**os.environ, locking.WAIT: "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    if said.returncode != 1 or "is held by process" not in said.stderr:
        raise RuntimeError(f"{verb}: {said.returncode}: {said.stdout}{said.stderr}")


def _file_of(organization_id: str, day: date) -> SampleFile:
    return next(file for file in files_of(day) if file.organization_id == organization_id)


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def _path(server_root: Path, file: SampleFile) -> Path:
    return server_root / file.organization_id / "inbox" / file.name


def main() -> None:
    """Live through the week in the home that the environment names."""
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance)
        for instant in live(Home.from_environment(), Path(os.environ["SERVER_ROOT"])):
            daemon.tick(instant)


if __name__ == "__main__":
    main()
