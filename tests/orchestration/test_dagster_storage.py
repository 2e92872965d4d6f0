"""Dagster's log of events, as `dagster.yaml` sets it up."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from orchestration.dagster_storage import EventLog
from orchestration.installation.home import Home


def test_a_run_and_its_checks_are_told_to_a_process_that_opens_the_log_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))

    @dg.asset(check_specs=[dg.AssetCheckSpec("is_there", asset="money")])
    def money() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(passed=True, check_name="is_there")]
        )

    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        assert dg.materialize([money], instance=instance).success
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        kinds = [
            record.event_log_entry.dagster_event_type
            for record in instance.get_records_for_run(run.run_id).records
        ]
    assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 1
    assert kinds.count(dg.DagsterEventType.ASSET_CHECK_EVALUATION) == 1
    assert kinds[-1] == dg.DagsterEventType.RUN_SUCCESS


def test_each_event_touches_the_file_that_the_user_interface_watches(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    path = home.dagster / "event_log.db"

    @dg.op
    def look() -> None:
        times.append(path.stat().st_mtime_ns)

    @dg.job
    def job() -> None:
        look()

    times: list[int] = []
    with dg.DagsterInstance.get() as instance:
        before = path.stat().st_mtime_ns
        time.sleep(0.01)
        assert job.execute_in_process(instance=instance).success
    assert times[0] > before
