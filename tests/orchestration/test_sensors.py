"""The sensors that watch over runs: what was not delivered, what was killed, what still landed.

They are asked as Dagster's daemon asks them, with the instance of an installation.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import filter_runs_to_should_retry
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

from orchestration.contracts.organizations import read_organizations
from orchestration.definitions import defs as assemble
from orchestration.defs import in_flight, sensors
from orchestration.defs.jobs import verification
from orchestration.defs.schedules import cut_offs
from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS
from orchestration.devtools.loopback_sftp import serve
from orchestration.installation import locking
from orchestration.installation.clock import utc_now
from orchestration.installation.home import PROJECT, Home
from orchestration.landing import manifests
from orchestration.landing.manifests import Look, Manifest
from tests.orchestration.forking import run_module
from tests.orchestration.installations import Installed
from tests.orchestration.starting import lend_parse

DAY = DAYS[0]
HALF_AN_HOUR = timedelta(minutes=30)
OUTBOX = dg.AssetKey(["outbox", "files"])
ANALYTICS = dg.AssetKey(["published", "analytics"])

Ask = Callable[[dg.DagsterInstance, dg.SensorDefinition], dg.RunRequest | str]


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    """The definitions, which Dagster needs to understand what a sensor asks for."""
    return assemble().get_repository_def()


@pytest.fixture
def ask(repository: dg.RepositoryDefinition) -> Ask:
    """What a sensor asks for, or why it asks for nothing."""

    def ask(instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> dg.RunRequest | str:
        with dg.build_sensor_context(instance, repository_def=repository) as context:
            tick = sensor.evaluate_tick(context)
        if not tick.run_requests:
            return str(tick.skip_message)
        (request,) = tick.run_requests
        return request

    return ask


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of an installation, as its own `dagster.yaml` sets it up."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield instance


def _materialize(site: Installed, *options: str) -> subprocess.CompletedProcess[str]:
    """Dagster's own command, as an operator types it."""
    arguments = ("asset", "materialize", *options)
    return run_module("dagster", arguments, {**os.environ, **site.environment})


class TestUndeliveredFiles:
    """A server that was down at the cut-off and is back later."""

    def test_the_delivery_alone_is_asked_for_half_an_hour_after_an_attempt(
        self, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, state = tmp_path / "server", tmp_path / "state"
        with serve(root, state) as server:
            home, environment = installation.make(tmp_path / "home", server)
        lend_parse(home)
        site = Installed(home, root, environment)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.get() as instance:
            assert ask(instance, sensors.undelivered_files) == "nothing has been delivered yet"

            # R20, R28: analysts get the day though nothing can be delivered.
            noted = home.landing / "_deliveries"
            noted.parent.mkdir(parents=True, exist_ok=True)
            noted.write_text("no folder")
            assert site.command("run", "--date", DAY.isoformat()).returncode == 1
            assert site.query("select distinct business_date from intake_days") == [(DAY,)]
            noted.unlink()

            assert site.command("run", "--date", DAY.isoformat()).returncode == 1
            assert self._outboxes(root) == set()
            attempted_at = self._attempted_at(instance)
            nothing = "no delivery waits for another attempt"
            now = self._set_time(monkeypatch, attempted_at + HALF_AN_HOUR - timedelta(seconds=1))
            assert ask(instance, sensors.undelivered_files) == nothing
            now = self._set_time(monkeypatch, attempted_at + HALF_AN_HOUR)
            with locking.exclusive(home):
                assert ask(instance, sensors.undelivered_files) == "a run is under way"
            request = ask(instance, sensors.undelivered_files)
            assert isinstance(request, dg.RunRequest)
            assert request.partition_key == DAY.isoformat()
            assert request.asset_selection == [OUTBOX]

            copied = "select count(*), bool_and(is_delivered) from deliveries"
            assert site.query(copied) == [(6, False)]
            copy = home.analytics.with_name("former")
            home.analytics.rename(copy)
            home.analytics.mkdir()
            with serve(root, state, server.port):
                module = ("--module-name", "orchestration.definitions")
                chosen = ("--select", "outbox/files", "--partition", DAY.isoformat())
                done = _materialize(site, *module, *chosen)
                # The files are delivered; the step says that the copy could not be renewed.
                assert done.returncode == 1
                assert str(home.analytics) in done.stderr
                home.analytics.rmdir()
                copy.rename(home.analytics)
                done = _materialize(site, *module, *chosen)
                assert done.returncode == 0, done.stderr[-3000:]
            assert site.query(copied) == [(6, True)]
            assert self._outboxes(root) == {
                f"{organization_id}/{DAY}_toku_payments.{kind}"
                for organization_id in ("andes_seguros", "colegio_pehuen", "lumina")
                for kind in ("csv", "json")
            }
            self._set_time(monkeypatch, now + timedelta(days=1))
            assert ask(instance, sensors.undelivered_files) == nothing

    @staticmethod
    def _outboxes(server_root: Path) -> set[str]:
        """The files that the organizations find."""
        return {f"{path.parts[-3]}/{path.name}" for path in server_root.glob("*/outbox/*")}

    @staticmethod
    def _attempted_at(instance: dg.DagsterInstance) -> datetime:
        event = instance.get_latest_materialization_event(OUTBOX)
        assert event is not None
        return datetime.fromtimestamp(event.timestamp, UTC)

    @staticmethod
    def _set_time(monkeypatch: pytest.MonkeyPatch, now: datetime) -> datetime:
        monkeypatch.setattr(sensors, "utc_now", lambda: now)
        return now


class TestKilledRuns:
    """A run that holds the home, and starts a child as dagster-dbt starts dbt."""

    RUN = """
import subprocess, time
import dagster as dg
from orchestration.installation import locking
from orchestration.defs.resources import Installation, hold_installation

@dg.op
def build(context: dg.OpExecutionContext, installation: dg.ResourceParam[Installation]) -> None:
    with locking.lent_to_children(installation.home()):
        child = subprocess.Popen(["sleep", "300"])
    print(context.run_id, child.pid, flush=True)
    time.sleep(300)

@dg.job(resource_defs={"installation": hold_installation})
def job() -> None:
    build()

with dg.DagsterInstance.get() as instance:
    job.execute_in_process(instance=instance)
"""

    def test_a_run_is_marked_as_failed_once_nothing_of_it_is_alive(
        self, ask: Ask, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(in_flight, "_MOMENT_SECONDS", 0)
        with subprocess.Popen(
            [sys.executable, "-c", self.RUN],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            run_id, child = process.stdout.readline().split()
            try:
                assert ask(instance, sensors.killed_runs) == "0 killed runs found"
                process.kill()
                process.wait()
                # Its dbt lives on, and writes.
                assert ask(instance, sensors.killed_runs) == "0 killed runs found"
                assert self._status(instance, run_id) == dg.DagsterRunStatus.STARTED
            finally:
                os.kill(int(child), 9)
        with locking.exclusive(Home.from_environment(), wait_seconds=10):
            pass
        assert ask(instance, sensors.killed_runs) == "1 killed runs found"
        assert self._status(instance, run_id) == dg.DagsterRunStatus.FAILURE
        (failure,) = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert "the process of this run was killed" in failure.message
        assert ask(instance, sensors.killed_runs) == "0 killed runs found"

    def test_a_verification_holds_its_copy_only_and_is_no_run_that_others_wait_for(
        self, ask: Ask, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(in_flight, "_MOMENT_SECONDS", 0)
        home = Home.from_environment()
        run = instance.create_run_for_job(verification, status=dg.DagsterRunStatus.STARTED)
        home.verifying.root.mkdir(parents=True, exist_ok=True)
        with locking.exclusive(home.verifying):
            assert ask(instance, sensors.killed_runs) == "0 killed runs found"
            assert not in_flight.is_run_in_flight(instance, home)
        assert ask(instance, sensors.killed_runs) == "1 killed runs found"
        assert self._status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE
        assert in_flight.find_overlooked_run(instance, utc_now()) is None

    def test_a_run_that_ends_while_it_is_looked_at_was_not_killed(
        self, ask: Ask, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has let go of the home, and says a moment later that it is done."""
        run = instance.create_run_for_job(_nothing, status=dg.DagsterRunStatus.STARTED)
        monkeypatch.setattr(
            in_flight.time, "sleep", lambda _: instance.report_run_canceled(run, "done")
        )
        assert ask(instance, sensors.killed_runs) == "0 killed runs found"
        assert self._status(instance, run.run_id) == dg.DagsterRunStatus.CANCELED

    @pytest.mark.parametrize("is_overlooked", [True, False])
    def test_a_killed_run_that_dagster_overlooks_is_asked_for_again_a_minute_later(
        self,
        ask: Ask,
        instance: dg.DagsterInstance,
        monkeypatch: pytest.MonkeyPatch,
        is_overlooked: bool,
    ) -> None:
        """Dagster notes that a run failed, and a moment later that it shall start again.

        Its daemon, which looks between the two, passes it over and never looks again.
        """
        run = self._start(instance)
        restarting = _Restarting(instance)
        with monkeypatch.context() as patched:
            if is_overlooked:
                restarting.looks_before_the_status_is_written(patched)
            instance.report_run_failed(run, "the process of this run was killed")
        restarting.look()
        assert restarting.found == ([] if is_overlooked else [run.run_id])
        self._set_time(monkeypatch, datetime.now(UTC) + timedelta(seconds=50))
        assert ask(instance, sensors.killed_runs) == "0 killed runs found"
        self._set_time(monkeypatch, datetime.now(UTC) + timedelta(seconds=70))
        asked = ask(instance, sensors.killed_runs)
        if not is_overlooked:
            assert asked == "0 killed runs found"
            return
        assert isinstance(asked, dg.RunRequest)
        assert (asked.run_key, asked.partition_key) == (run.run_id, DAY.isoformat())
        # Whatever was run since has carried through what that one left.
        self._start(instance, dg.DagsterRunStatus.SUCCESS)
        assert ask(instance, sensors.killed_runs) == "0 killed runs found"

    def test_only_a_run_of_the_daemon_that_shall_start_again_is_asked_for(
        self, ask: Ask, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._set_time(monkeypatch, datetime.now(UTC) + timedelta(hours=1))
        failed, again = dg.DagsterRunStatus.FAILURE, {"dagster/will_retry": "true"}
        for tags, is_of_daemon in (
            ({"dagster/will_retry": "false"}, True),
            ({**again, "dagster/auto_retry_run_id": "another"}, True),
            (again, False),
        ):
            self._start(instance, failed, tags, is_of_daemon=is_of_daemon)
            assert ask(instance, sensors.killed_runs) == "0 killed runs found"

    @staticmethod
    def _start(
        instance: dg.DagsterInstance,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
        tags: Mapping[str, str] | None = None,
        *,
        is_of_daemon: bool = True,
    ) -> dg.DagsterRun:
        origin = RemoteJobOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("saldo"), "__repository__"),
            "business_date",
        )
        return instance.create_run_for_job(
            _nothing,
            status=status,
            tags={"dagster/partition": DAY.isoformat(), **(tags or {})},
            remote_job_origin=origin if is_of_daemon else None,
        )

    @staticmethod
    def _set_time(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        monkeypatch.setattr(sensors, "utc_now", lambda: now)

    @staticmethod
    def _status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        return run.status


@dg.job
def _nothing() -> None:
    pass


class _Restarting(EventLogConsumerDaemon):
    """The part of Dagster's daemon that starts killed runs again; here it only says which."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__()
        self._instance = instance
        self.found: list[str] = []
        self.look()

    @property
    def handle_updated_runs_fns(self) -> Sequence[Callable[..., Iterator[None]]]:
        return [self._find]

    def look(self) -> None:
        list(self.run_iteration(SimpleNamespace(instance=self._instance)))

    def looks_before_the_status_is_written(self, patched: pytest.MonkeyPatch) -> None:
        """Have it look at the moment at which it passes a run over."""
        storage = self._instance.run_storage
        handle = storage.handle_run_event

        def slowly(*arguments: Any) -> None:
            self.look()
            handle(*arguments)

        patched.setattr(storage, "handle_run_event", slowly)

    def _find(self, _: object, records: Sequence[dg.RunRecord], __: object) -> Iterator[None]:
        runs = [record.dagster_run for record in records]
        self.found += [run.run_id for run in filter_runs_to_should_retry(runs, self._instance)]
        self._tag_as_started_again()
        yield from ()

    def _tag_as_started_again(self) -> None:
        for run_id in self.found:
            self._instance.add_run_tags(run_id, {"dagster/auto_retry_run_id": "another"})


class TestWrongContracts:
    """Nobody sees that a sensor failed: a run that fails is told."""

    def test_a_run_that_says_so_is_requested_once_a_day(
        self,
        ask: Ask,
        home: Home,
        instance: dg.DagsterInstance,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        seeds = shutil.copytree(PROJECT / "seeds", tmp_path / "seeds")
        contracts = seeds / "organizations.csv"
        contracts.write_text(contracts.read_text().replace(",upsert,", ",both,"))
        monkeypatch.setenv("SALDO_SEEDS", str(seeds))
        looked = Manifest(1, datetime(2026, 3, 2, 8), DAY, looks=(Look("lumina", "looked"),))
        manifests.write_manifest(home, looked)
        keys = []
        for now in (datetime(2026, 3, 3, 5, tzinfo=UTC), datetime(2026, 3, 4, 5, tzinfo=UTC)):
            monkeypatch.setattr(sensors, "utc_now", lambda now=now: now)
            first, second = (ask(instance, sensors.late_arrivals) for _ in range(2))
            assert isinstance(first, dg.RunRequest)
            assert isinstance(second, dg.RunRequest)
            assert first.run_key == second.run_key
            assert first.partition_key == DAY.isoformat()
            keys.append(first.run_key)
            with dg.build_schedule_context(instance, scheduled_execution_time=now) as context:
                tick = cut_offs.evaluate_tick(context)
            assert not tick.run_requests
            assert str(tick.skip_message).startswith("the contracts are wrong")
        assert len(set(keys)) == len(keys)


class TestMissedDates:
    """A machine that was off."""

    def test_the_dates_of_a_week_are_run_however_long_it_was_off(self, home: Home) -> None:
        looked = Manifest(1, datetime(2026, 3, 2, 9), DAY, looks=(Look("lumina", "looked"),))
        manifests.write_manifest(home, looked)
        decided = Manifest(2, datetime(2026, 3, 2, 10), DAY)
        manifests.write_manifest(home, decided)
        lumina = next(
            each
            for each in read_organizations(PROJECT / "seeds")
            if each.organization_id == "lumina"
        )
        for days_off in (7, 8, 9, 40):
            now = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(days=days_off)
            assert in_flight.find_due_dates(home, [lumina], now) == [
                (now - timedelta(days=days)).date() for days in range(6, -1, -1)
            ]


class TestLandedLoads:
    """What a run left that carried one load of many."""

    def test_the_next_run_is_asked_for_once_for_each_that_left_loads_behind(
        self, ask: Ask, home: Home, instance: dg.DagsterInstance
    ) -> None:
        assert ask(instance, sensors.landed_loads) == "nothing has been published yet"
        first = self._publish(instance, loads_to_carry=2)
        with locking.exclusive(home):
            assert ask(instance, sensors.landed_loads) == "a run is under way"
        request = ask(instance, sensors.landed_loads)
        assert isinstance(request, dg.RunRequest)
        assert (request.run_key, request.partition_key) == (first, DAY.isoformat())
        second = self._publish(instance, loads_to_carry=1)
        request = ask(instance, sensors.landed_loads)
        assert isinstance(request, dg.RunRequest)
        assert request.run_key == second != first
        self._publish(instance, loads_to_carry=0)
        all_carried = "every load that landed is in the warehouse"
        assert ask(instance, sensors.landed_loads) == all_carried

    def test_the_newest_load_that_landed_is_known_by_its_number(self, home: Home) -> None:
        assert manifests.last_load_id(home) == 0
        for load_id in (1, 2, 10):
            manifest = Manifest(load_id, datetime(2026, 3, 2, load_id), DAY)
            manifests.write_manifest(home, manifest)
        assert manifests.last_load_id(home) == 10

    @staticmethod
    def _publish(instance: dg.DagsterInstance, loads_to_carry: int) -> str:
        @dg.asset(
            key=ANALYTICS, partitions_def=dg.DailyPartitionsDefinition(start_date=DAY.isoformat())
        )
        def analytics() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"loads_to_carry": loads_to_carry})

        result = dg.materialize([analytics], instance=instance, partition_key=DAY.isoformat())
        return result.run_id
