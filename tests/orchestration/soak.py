"""An installation that runs many business dates with faults and killed runs, beside the daemon.

Each organization has a random history: debts files that are late, corrected or repeated, its own
payments files, payment events that are late or duplicated. `read_back` reads from the manifests
what each load took of it, so that the oracle can compute the expected tables and files.

This module has no tests: soak_life.py runs the dates, soak_faults.py has the faults, and
test_soak.py compares.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import dagster as dg

from orchestration.definitions import defs
from orchestration.defs.in_flight import find_killed_runs
from orchestration.delivery import outgoing
from orchestration.devtools.loopback_sftp import LoopbackServer, serve
from orchestration.installation import locking, warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.landing import manifests, store
from tests.orchestration.histories import (
    History,
    IntakeFile,
    Load,
    PaymentEvent,
    csv_bytes,
    json_line,
)
from tests.orchestration.networks import Network

# The longest wait for something that the daemon must do.
PATIENCE_SECONDS = 900
# A run is killed at a random moment of its first seconds, which are most of its time.
KILLED_WITHIN_SECONDS = 8
# The first organizations have a server each, which has faults. With one server for all, its
# organization would miss several dates, and would need a run for each to catch up.
UNSTEADY_COUNT = 5
# The receiver of this organization removes each file from the outbox as soon as it appears.
EATER = "org_009"


class SoakError(Exception):
    """Something that must happen did not; the message says what."""


@dataclass
class Unsteady:
    """A server of one organization, which has faults.

    Args:
        organization_id: whose.
        root: its folder.
        state: where its keys are.
        port: where it listens.
        network: what Saldo connects to, in front of the server.

    """

    organization_id: str
    root: Path
    state: Path
    port: int
    network: Network
    _server: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it with the same keys as before."""
        self._server.enter_context(serve(self.root, self.state, self.port))

    def stop(self) -> None:
        """Stop it, so that nothing listens on its port."""
        self._server.close()


@dataclass
class Soak:
    """An installation with its servers and its daemon.

    Args:
        home: its folders.
        histories: the history of each organization, by id; load n is of business date n.
        steady: the server of most organizations.
        unsteady: the servers of the others.
        instance: Dagster's instance.
        environment: the variables with the home and the secrets of the servers.
        faults: the generator that draws faults. The moments of kills come from another generator:
            how many are drawn depends on the machine, and a seed must always give the same faults.
        counts: how often each thing happened, for the report.
        troubled: organizations that had a fault and may still lack files.
        left: the paths of the files of the newest date.

    """

    home: Home
    histories: dict[str, History]
    steady: LoopbackServer
    unsteady: list[Unsteady]
    instance: dg.DagsterInstance
    environment: dict[str, str]
    faults: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    troubled: set[str] = field(default_factory=set)
    left: list[Path] = field(default_factory=list)
    _daemon: subprocess.Popen[bytes] | None = None
    _asked_first: dg.DagsterRun | None = None
    _asked_at: datetime = datetime.max

    def folder(self, organization_id: str) -> Path:
        """The folder of an organization on the disk of its server."""
        for server in self.unsteady:
            if server.organization_id == organization_id:
                return server.root / organization_id
        return self.steady.root / organization_id

    def draw_troubled(self) -> str:
        """Draw an organization that has a fault from now on."""
        drawn = self.faults.choice(sorted(set(self.histories) - {EATER}))
        self.troubled.add(drawn)
        return drawn

    # the daemon

    def start_daemon(self) -> None:
        """Start the daemon as its systemd unit does."""
        with (self.home.root / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [Path(sys.executable).with_name("dagster-daemon"), "run"],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def kill_daemon(self) -> None:
        """Kill the daemon without a warning."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()

    def dagster(self, *arguments: str) -> None:
        """Run Dagster's command as an operator does."""
        done = subprocess.run(
            [sys.executable, "-m", "dagster", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SoakError(done.stderr[-2000:])

    def run(self, day: date, kills: int = 0) -> None:
        """Request a run of a date, kill as many runs as asked, and wait until one succeeds.

        Raises:
            SoakError: a run failed that was not killed, or none succeeded in time.

        """
        self._mark_killed_runs()
        self._asked_at = datetime.now(UTC)
        self._ask(day)
        for _ in range(kills):
            self._kill_a_run()
        self._wait_until(lambda: self._has_ended_well() or self._is_given_up(), f"a run of {day}")
        if not self._has_ended_well():
            # Dagster does not retry a run any more that was killed too often: an operator does.
            self.run(day)

    def _ask(self, day: date) -> None:
        """Put a run of a date into the queue.

        Dagster's command does it the first time. It loads all code each time, so later runs are
        created here as the command would create them.
        """
        self.counts["runs asked for"] += 1
        if self._asked_first is None:
            tags = json.dumps({"dagster/partition": day.isoformat()})
            self.dagster("job", "launch", "--job", "business_date", "--tags", tags)
            self._asked_first = self._newest_of_daemon()
            return
        self.instance.create_run_for_job(
            self._job,
            status=dg.DagsterRunStatus.QUEUED,
            tags={**self._job.tags, "dagster/partition": day.isoformat()},
            remote_job_origin=self._asked_first.remote_job_origin,
            job_code_origin=self._asked_first.job_code_origin,
        )

    @cached_property
    def _job(self) -> dg.JobDefinition:
        return defs().resolve_job_def("business_date")

    def _kill_a_run(self) -> None:
        """Kill the process that holds the home, a run of the daemon or of the command."""
        chosen = None
        while chosen is None or self._holding_process() != chosen:
            self._wait_until(
                lambda: self._holding_process() is not None or self._has_ended_well(),
                "a run to kill",
            )
            if self._has_ended_well():
                return
            chosen = self._holding_process()
            time.sleep(random.uniform(0, KILLED_WITHIN_SECONDS))
        os.kill(chosen, signal.SIGKILL)
        self.counts["runs killed"] += 1
        self._wait_until(
            lambda: self._holding_process() is not None or locking.holder(self.home) is None,
            "the dbt of the killed run to be gone",
        )
        self._mark_killed_runs()

    def _mark_killed_runs(self) -> None:
        """Do what the sensor `killed_runs` does every minute."""
        for run in find_killed_runs(self.instance, self.home):
            self.instance.report_run_failed(run, "the process of this run was killed")

    def _holding_process(self) -> int | None:
        """The process of the run that holds the home; None if only the dbt of a killed one does."""
        said = locking.holder(self.home) or ""
        number = said.removeprefix("process ").partition(",")[0]
        return int(number) if number.isdigit() else None

    def _is_given_up(self) -> bool:
        """Whether the newest run failed and Dagster does not retry it.

        Raises:
            SoakError: one of its steps failed.

        """
        newest = self._newest_of_daemon()
        if newest.status != dg.DagsterRunStatus.FAILURE:
            return False
        if newest.tags.get("dagster/failure_reason") == "STEP_FAILURE":
            raise SoakError(f"a step of run {newest.run_id} failed")
        return newest.tags.get("dagster/will_retry") == "false"

    def _newest_of_daemon(self) -> dg.DagsterRun:
        """The newest run of the daemon; nothing retries those of the command."""
        return next(each for each in self.instance.get_runs(limit=9) if each.remote_job_origin)

    def _has_ended_well(self) -> bool:
        """Whether a run of the daemon has succeeded since the newest request."""
        wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], created_after=self._asked_at)
        return any(each.remote_job_origin for each in self.instance.get_runs(wanted))

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        patience_ends = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > patience_ends:
                runs = [
                    (each.tags.get("dagster/partition"), each.status.value)
                    for each in self.instance.get_runs(limit=8)
                ]
                raise SoakError(f"waited in vain for {what}; newest runs: {runs}")
            time.sleep(0.2)

    # what organizations and processors leave

    def leave_files(self, number: int) -> None:
        """Write the files of a business date to the inboxes."""
        self.left.clear()
        for organization_id, history in self.histories.items():
            for file in history.loads[number - 1].files:
                path = self.folder(organization_id) / "inbox" / file.name
                path.write_bytes(csv_bytes(file))
                self.left.append(path)

    def leave_events(self, number: int) -> None:
        """Append the events of a business date to a file in the events folder."""
        lines = [
            json_line(organization_id, event)
            for organization_id, history in self.histories.items()
            for event in history.loads[number - 1].events
        ]
        with (self.home.events / "processor.jsonl").open("a", encoding="utf-8") as events:
            events.writelines(f"{line}\n" for line in lines)

    def find_waiting(self) -> set[tuple[str, str]]:
        """The organizations and names of files that no load has taken, or that were not delivered.

        Lines of events that no load has taken have an empty organization.
        """
        taken = {
            (file.organization_id, file.file_name): file.sha256
            for manifest in manifests.read_manifests(self.home)
            for file in manifest.files
        }
        waiting = {
            (organization_id, path.name)
            for organization_id in self.histories
            for path in (self.folder(organization_id) / "inbox").glob("*.csv")
            if taken.get((organization_id, path.name)) != sha256(path.read_bytes()).hexdigest()
        }
        landed = set(_landed_lines(self.home))
        for path in self.home.events.glob("*.jsonl"):
            lines = path.read_text("utf-8").splitlines()
            waiting |= {("", line) for line in lines if line not in landed}
        return waiting | self.find_undelivered()

    def find_undelivered(self) -> set[tuple[str, str]]:
        """The organizations and names of files that the ledger says are still to be sent."""
        with warehouse.reading(self.home) as connection:
            files = outgoing.read_undelivered(connection)
        return {(file.organization_id, file.file_name) for file in files}


def read_back(soak: Soak) -> tuple[list[History], list[date], list[datetime]]:
    """Read the histories as the loads took them, and the business date and instant of each load."""
    drawn = {
        (organization_id, file.kind, sha256(csv_bytes(file)).hexdigest()): file
        for organization_id, history in soak.histories.items()
        for load in history.loads
        for file in load.files
    }
    events = {
        json_line(organization_id, event): (organization_id, event)
        for organization_id, history in soak.histories.items()
        for load in history.loads
        for event in load.events
    }
    landed_loads = list(manifests.read_manifests(soak.home))
    loads: dict[str, list[Load]] = {organization_id: [] for organization_id in soak.histories}
    for manifest in landed_loads:
        files: dict[str, list[IntakeFile]] = {each: [] for each in loads}
        came: dict[str, list[PaymentEvent]] = {each: [] for each in loads}
        for landed in manifest.files:
            file = drawn[landed.organization_id, landed.kind, landed.sha256]
            files[landed.organization_id].append(replace(file, business_date=landed.business_date))
        for event_range in manifest.events:
            for line in _lines_of_range(soak.home, event_range):
                organization_id, event = events[line]
                came[organization_id].append(event)
        for organization_id, told in loads.items():
            invoices = [each for each in files[organization_id] if each.kind == "invoices"]
            payments = [each for each in files[organization_id] if each.kind == "payments"]
            told.append(
                Load(
                    invoices[0] if invoices else None,
                    tuple(payments),
                    tuple(came[organization_id]),
                )
            )
    histories = [
        History(soak.histories[organization_id].contract, tuple(told))
        for organization_id, told in loads.items()
    ]
    instants = [manifest.loaded_at.replace(tzinfo=UTC) for manifest in landed_loads]
    return histories, [manifest.business_date for manifest in landed_loads], instants


def _landed_lines(home: Home) -> Iterator[str]:
    for manifest in manifests.read_manifests(home):
        for event_range in manifest.events:
            yield from _lines_of_range(home, event_range)


def _lines_of_range(home: Home, event_range: manifests.EventRange) -> list[str]:
    if event_range.code is not None:
        return []
    return store.events_path(home, event_range.sha256).read_text("utf-8").splitlines()
