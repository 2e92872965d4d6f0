"""Dagster's log of events, as `dagster.yaml` sets it up."""

from __future__ import annotations

import re
import shutil
import time

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from orchestration.dagster_storage import EventLog
from orchestration.installation.home import PROJECT, Home


@pytest.fixture(autouse=True)
def _in_the_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))


def test_a_run_and_its_checks_are_told_to_a_process_that_opens_the_log_later() -> None:

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


def test_each_event_touches_the_file_that_the_user_interface_watches(home: Home) -> None:
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


def test_an_event_and_what_it_says_of_its_asset_are_stored_together_or_not_at_all(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    materialization = dg.AssetMaterialization("money")
    with dg.DagsterInstance.get() as instance:
        log = instance.event_log_storage
        with monkeypatch.context() as patch:
            patch.setattr(EventLog, "_store_asset_event", _run_out_of_space)
            with pytest.raises(OSError, match="no space"):
                instance.report_runless_asset_event(materialization)
        assert instance.fetch_materializations(dg.AssetKey("money"), limit=9).records == []
        instance.report_runless_asset_event(materialization)
        assert len(instance.fetch_materializations(dg.AssetKey("money"), limit=9).records) == 1
        (record,) = log.get_asset_records([dg.AssetKey("money")])
        assert record.asset_entry.last_materialization_record is not None


def test_a_home_that_is_made_anew_beside_an_open_page_is_shown_and_written_to(home: Home) -> None:
    with dg.DagsterInstance.get() as page:
        page.report_runless_asset_event(dg.AssetMaterialization("former"))
        shutil.rmtree(home.dagster)
        home.create()
        with dg.DagsterInstance.get() as run:
            run.report_runless_asset_event(dg.AssetMaterialization("money"))
            assert page.all_asset_keys() == [dg.AssetKey("money")]
            page.report_runless_asset_event(dg.AssetMaterialization("more"))
            assert len(run.all_asset_keys()) == 2


def test_what_was_told_is_in_the_file_when_the_process_ends(home: Home) -> None:
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("money"))
        assert (home.dagster / "event_log.db-wal").exists()
    assert not (home.dagster / "event_log.db-wal").exists()


def test_the_documented_postgresql_takes_the_place_of_the_log_in_a_file(home: Home) -> None:
    text = (PROJECT / "docs" / "deployment.md").read_text("utf-8")
    (documented,) = re.findall(r"```yaml\n(storage:\n.*?)```", text, re.DOTALL)
    path = home.dagster / "dagster.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    del settings["event_log_storage"]
    path.write_text(yaml.safe_dump(settings | yaml.safe_load(documented)), "utf-8")
    told, _ = dagster_instance_config(str(home.dagster))
    assert told["storage"]["postgres"]["postgres_db"]["hostname"] == {"env": "DAGSTER_PG_HOST"}


def _run_out_of_space(*_: object) -> None:
    message = "no space"
    raise OSError(message)
