"""A build leaves out what stands as the former load left it, and nothing that does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.installation import standing, warehouse
from orchestration.installation.dbt_project import fingerprint
from orchestration.installation.home import Home
from tests.orchestration import building
from tests.orchestration.building import dbt_output, run_dbt
from tests.orchestration.houses import Deposit, House, csv_of
from tests.orchestration.starting import copy_home

SHORT = ("--selector", "what_a_load_changes")
# What a model's SQL may look up in the warehouse, or in how dbt was called.
LOOKS_UP = {
    f"macro.dbt.{name}"
    for name in ("is_incremental", "load_relation", "run_query", "should_full_refresh", "statement")
}


def _debts(amount: str) -> Deposit:
    header = ["customer_id", "product_id", "due_date", "amount"]
    return Deposit("agua", csv_of([header, ["C1", "P1", "2026-03-31", amount]]))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House.make(tmp_path_factory.mktemp("built"), {"agua": {}})
    house.load(_debts("1000"))
    return house


def _chosen(home: Home) -> tuple[str, ...]:
    with warehouse.connect(home) as connection:
        return standing.choose_nodes(connection, home, fingerprint(home))


def _after(built: House, root: Path, sql: str) -> tuple[str, ...]:
    """What is chosen once somebody has said this to the warehouse."""
    home = copy_home(built.home, root / "home")
    with warehouse.connect(home) as connection:
        connection.execute(sql)
    return _chosen(home)


def test_the_first_build_is_of_everything_and_the_next_one_is_not(
    built: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(copy_home(built.home, tmp_path / "home"), 1, built.organizations)
    said: list[tuple[str, ...]] = []

    def noting(home: Home, *arguments: str) -> None:
        said.append(arguments)
        run_dbt(home, *arguments)

    monkeypatch.setattr(building, "run_dbt", noting)
    assert _chosen(house.home) == SHORT
    house.load(_debts("1000"))
    house.load(_debts("2000"))
    assert [arguments[-4:-2] for arguments in said] == [SHORT, SHORT]
    assert house.query("select amount from debts") == [(2000,)]
    assert _chosen(house.home) == SHORT


@pytest.mark.parametrize(
    "sql",
    [
        "drop view staging.stg_intake__loads",
        "create or replace view staging.stg_intake__loads as select 1 as load_id",
        "create view exports.another as select 1 as one",
        "update seeds.intake_codes set message = 'another'",
        "drop table seeds.bank_holidays",
        "drop table main.built",
    ],
)
def test_what_somebody_changed_by_hand_is_built_again(
    built: House, tmp_path: Path, sql: str
) -> None:
    assert _after(built, tmp_path, sql) == ()


def test_rows_that_land_and_tables_that_each_build_writes_change_nothing_of_it(
    built: House, tmp_path: Path
) -> None:
    shown = "create or replace view raw.customers as select 1 as load_id"
    sql = f"{shown}; delete from raw.inbox_looks; delete from debts"
    assert _after(built, tmp_path, sql) == SHORT


def test_other_contracts_are_built_with_everything(built: House, tmp_path: Path) -> None:
    seeds = shutil.copytree(built.home.seeds, tmp_path / "seeds")
    house = House(Home(built.home.root, seeds))
    assert _chosen(house.home) == SHORT
    house.change_contract("agua", name="Agua")
    assert _chosen(house.home) == ()


@pytest.mark.parametrize("command", ["build", "run", "seed"])
def test_a_build_that_somebody_starts_or_that_does_not_end_is_followed_by_one_of_everything(
    built: House, tmp_path: Path, command: str
) -> None:
    home = copy_home(built.home, tmp_path / "home")
    run_dbt(home, command, "--quiet", "--select", "stg_intake__loads", "bank_holidays")
    assert _chosen(home) == ()


def test_a_project_that_was_changed_while_it_was_built_is_not_noted(
    built: House, tmp_path: Path
) -> None:
    home = copy_home(built.home, tmp_path / "home")
    with warehouse.connect(home) as connection:
        connection.execute("drop table main.built")
        standing.note_build(connection, home, "the project as it was")
    assert _chosen(home) == ()


def test_what_is_built_under_another_target_is_built_with_everything(
    built: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALDO_TARGET", "prod")
    assert _chosen(built.home) == ()


def test_who_wants_everything_built_has_it_so(
    built: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(standing.EVERYTHING, "1")
    assert _chosen(built.home) == ()


@pytest.fixture(scope="module")
def listed(built: House) -> tuple[set[str], dict[str, Any]]:
    """The nodes of a short build, and the manifest."""
    shown = dbt_output(
        built.home,
        *("ls", "--quiet", "--output", "json", "--output-keys", "unique_id", *SHORT),
    )
    chosen = {json.loads(line)["unique_id"] for line in shown.stdout.splitlines()}
    manifest = json.loads((built.home.root / "target" / "manifest.json").read_text("utf-8"))
    return chosen, manifest


def _macros(manifest: dict[str, Any], names: list[str]) -> Iterator[str]:
    for name in names:
        yield name
        if name.startswith("macro.saldo."):
            yield from _macros(manifest, manifest["macros"][name]["depends_on"]["macros"])


def test_left_out_are_the_seeds_their_tests_and_the_views(
    listed: tuple[set[str], dict[str, Any]],
) -> None:
    chosen, manifest = listed
    nodes = manifest["nodes"]
    for unique_id, node in nodes.items():
        parents = node.get("depends_on", {}).get("nodes", [])
        if node["resource_type"] == "test":
            is_left_out = all(parent.startswith("seed.") for parent in parents)
        else:
            is_left_out = node["config"]["materialized"] in {"seed", "view"} and not any(
                parent.startswith(("source.saldo.base.", "source.saldo.hashes."))
                or parent.startswith("source.saldo.verdicts.")
                for parent in parents
            )
        assert (unique_id not in chosen) == is_left_out, unique_id


def test_the_sql_of_a_view_that_is_left_out_depends_on_the_project_alone(
    listed: tuple[set[str], dict[str, Any]],
) -> None:
    chosen, manifest = listed
    left_out = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and unique_id not in chosen
    }
    assert len(left_out) > 40
    for unique_id, node in left_out.items():
        looked_up = LOOKS_UP & set(_macros(manifest, node["depends_on"]["macros"]))
        assert looked_up == set(), unique_id
        assert node["config"]["pre-hook"] + node["config"]["post-hook"] == [], unique_id
