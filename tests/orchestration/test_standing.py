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
from orchestration.installation.project_yaml import raw_tables
from tests.orchestration import building
from tests.orchestration.building import dbt_output, run_dbt
from tests.orchestration.houses import Deposit, House, csv_of
from tests.orchestration.starting import copy_home

SHORT = ("--selector", "what_a_load_changes")
OF_EVENTS = ("--selector", "what_events_change")
OF_A_DAY = ("--selector", "what_a_day_changes")
# The tables of `raw` that have rows of each load, or of contracts: with others everything is built.
OF_EACH_LOAD = {"loads", "inbox_looks", "deliveries"}
OF_CONTRACTS = {"contract_organizations", "contract_channels", "contract_statuses"}
# Those that have rows of a load that brought files, and none of another.
OF_THE_FILES = {
    *("intake_file_columns", "row_files", "invoices", "organization_payments", "customers"),
}
# What looks up the newest load, or its date, to find what came with it: without it, nothing.
READS_WHAT_CAME = {
    *("customers", "debts", "enrollments", "int_customers__changed", "int_customers__checked"),
    *("int_debts__changed", "int_debts__hashed", "int_debts__listed_after_paid"),
    *("int_enrollment_events__deduplicated", "int_intake_files__differing"),
    *("int_intake_files__judged", "int_intake_files__judged_before", "int_intake_files__submitted"),
    *("int_organization_payments__checked", "int_organization_payments__versioned"),
    *("int_payment_events__contradicted", "int_payment_events__deduplicated"),
    *("int_payment_events__understood", "int_payments__versioned", "int_withdrawals__held"),
    *("intake_files", "intake_rejections", "payment_events", "payments", "refused_event_lines"),
    *("stg_events__enrollment_events", "stg_events__payment_events", "unknown_statuses"),
}
# What a model's SQL may look up in the warehouse, or in how dbt was called.
LOOKS_UP = {
    f"macro.dbt.{name}"
    for name in ("is_incremental", "load_relation", "run_query", "should_full_refresh", "statement")
}
# What compares the rows that came with what the former load left.
COMPARES_WHAT_CAME = {
    *("int_debts__compared", "int_intake_files__judged", "int_intake_files__read"),
    *("int_invoices__checked", "int_invoices__recognized"),
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
        "drop table intermediate.int_debts__changed",
        "alter table marts.campaign_contacts drop column mail",
        "drop macro marts.main.normal_id",
        "drop macro table marts.main.debts_as_of",
        "drop table main.built",
    ],
)
def test_what_somebody_changed_by_hand_is_built_again(
    built: House, tmp_path: Path, sql: str
) -> None:
    assert _after(built, tmp_path, sql) == ()


def test_after_a_build_of_everything_no_table_is_left_out_once(tmp_path: Path) -> None:
    """Its first build finds no table of a former load, and makes views without rows over them."""
    house = House.make(tmp_path, {"agua": {}})
    empty = (
        "select count(*) from duckdb_views() where schema_name = 'staging' and sql like '%(1 = 0)%'"
    )
    found = []
    for _ in range(3):
        house.load()
        found.append((_chosen(house.home), house.query(empty)))
    assert found == [(SHORT, [(6,)]), (OF_A_DAY, [(0,)]), (OF_A_DAY, [(0,)])]


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
        standing.note_build(connection, home, "the project as it was", ())
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


# A row of which only the load is known, so the table has no constraints.
CAME = (
    "create or replace table raw.{table} as from raw.{table};"
    " insert into raw.{table} (load_id) values ({load_id})"
)


@pytest.mark.parametrize(
    ("sql", "chosen"),
    [
        ("", OF_A_DAY),
        *(
            (CAME.format(table=table, load_id=load_id), chosen)
            for tables, of_them in (
                (standing.TABLES_OF_EVENTS, OF_EVENTS),
                (standing.TABLES_OF_FILES, SHORT),
            )
            for table in tables
            for load_id, chosen in ((2, OF_A_DAY), (3, of_them), (4, of_them))
        ),
        ("update raw.loads set contracts = 'others' where load_id = 4", SHORT),
        ("update raw.loads set contracts = 'others' where load_id <= 2", SHORT),
        ("update raw.loads set contracts = 'others' where load_id = 1", OF_A_DAY),
        ("update main.built set extent = 'everything'", SHORT),
    ],
)
def test_chosen_is_what_this_load_or_the_one_before_it_brought(
    built: House, sql: str, chosen: tuple[str, ...]
) -> None:
    following = (
        "insert into raw.loads select * replace (load_id + {number} as load_id,"
        " loaded_at + interval {number} day as loaded_at) from raw.loads where load_id = 1"
    )
    with warehouse.connect(built.home) as connection:
        connection.begin()
        connection.execute("update main.built set extent = 'some'")
        for number in (1, 2, 3):
            connection.execute(following.format(number=number))
        connection.execute(sql or "select 1")
        found = standing.choose_nodes(connection, built.home, fingerprint(built.home))
        connection.rollback()
    assert found == chosen


@pytest.fixture(scope="module")
def manifest(built: House) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (built.home.root / "target/manifest.json").read_text("utf-8")
    )
    return loaded


def _list(built: House, selector: tuple[str, ...]) -> set[str]:
    shown = dbt_output(
        built.home,
        *("ls", "--quiet", "--output", "json", "--output-keys", "unique_id", *selector),
    )
    return {json.loads(line)["unique_id"] for line in shown.stdout.splitlines()}


@pytest.fixture(scope="module")
def listed(built: House, manifest: dict[str, Any]) -> tuple[set[str], dict[str, Any]]:
    """The nodes of a build after files, and the manifest."""
    return _list(built, SHORT), manifest


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


def test_each_table_of_raw_comes_with_each_load_or_files_or_events_or_contracts() -> None:
    kinds = (
        *(OF_EACH_LOAD, OF_CONTRACTS, OF_THE_FILES),
        *(standing.TABLES_OF_FILES, standing.TABLES_OF_EVENTS),
    )
    assert sorted(table for kind in kinds for table in kind) == sorted(raw_tables())


@pytest.mark.parametrize(
    ("selector", "tables_of_others"),
    [(OF_EVENTS, ()), (OF_A_DAY, standing.TABLES_OF_EVENTS)],
    ids=["events", "a day"],
)
def test_what_is_left_out_is_made_of_what_has_not_come(
    built: House,
    listed: tuple[set[str], dict[str, Any]],
    selector: tuple[str, ...],
    tables_of_others: tuple[str, ...],
) -> None:
    """Whoever adds a model that looks at the newest load says so: in `what_dates_change` of
    selectors.yml, or above if it finds nothing there of a load that brings nothing.
    """
    of_files, manifest = listed
    chosen = _list(built, selector)
    assert chosen < of_files
    assert "test.saldo.no_paid_debt_can_be_charged" in chosen
    absent = {*standing.TABLES_OF_FILES, *OF_THE_FILES, *tables_of_others}
    views = {
        unique_id
        for unique_id, node in manifest["nodes"].items()
        if node["config"]["materialized"] == "view"
    }
    for unique_id in of_files - chosen - views:
        for reader, read in _read_through_views(manifest, views, unique_id):
            kind, _, name = read.split(".", 2)
            schema, _, table = name.partition(".")
            if read == "model.saldo.stg_intake__loads":
                is_as_before = reader.split(".")[2] in READS_WHAT_CAME
            elif kind != "source":
                is_as_before = read not in chosen
            elif schema == "raw":
                is_as_before = table in absent | OF_CONTRACTS
            else:
                is_built = chosen & {f"model.saldo.{table}", f"snapshot.saldo.{table}"}
                is_as_before = not is_built or unique_id.split(".")[2] in COMPARES_WHAT_CAME
            assert is_as_before, f"{unique_id}: {reader} reads {read}"


def _read_through_views(
    manifest: dict[str, Any], views: set[str], unique_id: str
) -> Iterator[tuple[str, str]]:
    """What a node is made of: tables, seeds and the view of loads, each with who reads it."""
    for parent in manifest["parent_map"][unique_id]:
        yield unique_id, parent
        if parent in views and parent != "model.saldo.stg_intake__loads":
            yield from _read_through_views(manifest, views, parent)
