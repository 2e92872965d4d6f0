"""What Saldo makes of dagster-dbt: the hooks it takes, and events that are shown as dbt works."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import dagster as dg
import pytest
from dagster_dbt import DagsterDbtTranslator, DbtCliResource

from orchestration.defs.models import SaldoDbtTranslator
from orchestration.defs.resources import Dbt
from orchestration.devtools.demo.samples import DAYS
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.project_yaml import published_tables
from tests.orchestration.installations import Installed, install


@pytest.mark.parametrize(
    ("ours", "theirs", "hooks"),
    [
        (Dbt, DbtCliResource, {"_cli_version", "_initialize_dbt_core_adapter"}),
        (
            SaldoDbtTranslator,
            DagsterDbtTranslator,
            {"get_asset_spec", "get_asset_check_spec", "get_owners", "get_group_name"},
        ),
    ],
)
def test_each_hook_that_is_overridden_is_there_with_the_same_arguments(
    ours: type, theirs: type, hooks: set[str]
) -> None:
    defined = {
        name: member
        for name, member in vars(ours).items()
        if isinstance(member, cached_property) or inspect.isfunction(member)
    }
    assert {name for name in defined if not name.startswith("__")} == hooks
    for name in hooks:
        own, hook = defined[name], inspect.getattr_static(theirs, name)
        assert isinstance(own, cached_property) == isinstance(hook, cached_property), name
        if not isinstance(own, cached_property):
            assert list(inspect.signature(own).parameters) == list(
                inspect.signature(hook).parameters
            ), name


# Tells the keys of all assets and of their checks, and whether dbt came along.
_KEYS = """
import json, sys
from orchestration.definitions import defs
graph = defs().resolve_asset_graph()
keys = sorted(map(str, [*graph.get_all_asset_keys(), *graph.asset_check_keys]))
print(json.dumps([keys, "dbt.version" in sys.modules]))
"""


def test_assets_and_checks_are_those_that_dagster_dbt_finds_by_dbt_which_is_not_imported(
    home: Home,
) -> None:
    told = []
    for imports in ("", "import dagster_dbt"):
        done = subprocess.run(
            [sys.executable, "-c", imports + _KEYS],
            cwd=PROJECT,
            env={**os.environ, **home.environment()},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(json.loads(done.stdout.splitlines()[-1]))
    (keys, is_imported), (keys_by_dbt, is_imported_there) = told
    assert (is_imported, is_imported_there) == (False, True)
    assert len(keys) > 200
    assert keys == keys_by_dbt


def test_dagster_finds_nothing_wrong_with_the_definitions(home: Home) -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("dg"), "check", "defs"],
        cwd=PROJECT,
        env={**os.environ, **home.environment(), "VIRTUAL_ENV": sys.prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "All definitions loaded successfully." in checked.stdout


def test_what_dbt_does_is_shown_as_it_does_it_and_rows_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with install(tmp_path, Installed) as site:
        site.upload(DAYS[0])
        for day in DAYS:
            ran = site.command("run", "--date", f"{day}")
            assert ran.returncode == 0, ran.stdout + ran.stderr
    monkeypatch.setenv("DAGSTER_HOME", str(site.home.dagster))
    with dg.DagsterInstance.get() as instance:
        latest, later, *_, first = (
            [entry for entry in instance.all_logs(run.run_id) if entry.step_key == "models"]
            for run in instance.get_runs()
        )
    _assert_that_all_is_shown_as_it_happened(first)
    unchanged, built = _shown_as_unchanged_and_built(first, later)
    assert {"organizations", "stg_intake__loads", "deliveries"} <= unchanged
    assert {"debts", "payment_exceptions", "stg_base__debts"} <= built
    # Neither on the last day nor on the one before it has anything come.
    unchanged, built = _shown_as_unchanged_and_built(first, latest)
    assert {"organizations", "debts", "stg_base__debts"} <= unchanged
    assert {"payment_exceptions", "payments_file_lines"} <= built


def _assert_that_all_is_shown_as_it_happened(entries: Sequence[dg.EventLogEntry]) -> None:
    ended = _end_of_dbt(entries)
    built = [_name(entry) for entry in entries[:ended] if _is_of(entry, "ASSET_MATERIALIZATION")]
    assert {"organizations", "stg_intake__loads", "debts", "payment_exceptions"} <= set(built)
    late = [entry for entry in entries[ended:] if _is_of(entry, "ASSET_MATERIALIZATION")]
    assert late == []
    counted = {
        _name(entry): entry.asset_observation.metadata["dagster/row_count"].value
        for entry in entries[ended:]
        if entry.asset_observation is not None
    }
    assert counted.keys() >= {"int_payments__versioned", "int_intake_files__judged", "intake_codes"}
    assert counted["payment_channels"] == len(
        (PROJECT / "seeds" / "payment_channels.csv").read_text().splitlines()[1:]
    )
    assert counted.keys() & set(published_tables().values()) == set()


def _shown_as_unchanged_and_built(
    first: Sequence[dg.EventLogEntry], later: Sequence[dg.EventLogEntry]
) -> tuple[set[str], set[str]]:
    """Each asset is of the later date too, and those that dbt left out say so."""
    come = {_name(entry): entry for entry in later if _is_of(entry, "ASSET_MATERIALIZATION")}
    assert come.keys() == {
        _name(entry) for entry in first if _is_of(entry, "ASSET_MATERIALIZATION")
    }
    unchanged = {
        name
        for name, entry in come.items()
        if entry.asset_materialization is not None
        and "unchanged" in entry.asset_materialization.metadata
    }
    return unchanged, come.keys() - unchanged


def _end_of_dbt(entries: Sequence[dg.EventLogEntry]) -> int:
    (ended,) = (
        number
        for number, entry in enumerate(entries)
        if entry.user_message.startswith("Finished dbt command")
    )
    return ended


def _is_of(entry: dg.EventLogEntry, kind: str) -> bool:
    return entry.is_dagster_event and entry.get_dagster_event().event_type_value == kind


def _name(entry: dg.EventLogEntry) -> str:
    key = entry.get_dagster_event().asset_key
    assert key is not None
    return key.path[-1]
