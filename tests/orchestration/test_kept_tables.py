"""A warehouse that another version of Saldo made is told in a sentence, before anything is taken.

The tables that keep what former loads wrote must have the columns that this version writes, and
their rows must mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.devtools.kept_tables import find
from orchestration.installation import kept_tables, warehouse
from orchestration.installation.home import Home
from orchestration.installation.warehouse import OlderWarehouseError
from orchestration.intake import loads
from tests.orchestration.building import BUILD, run_dbt
from tests.orchestration.houses import Deposit, House, csv_of
from tests.orchestration.installations import Installed, install
from tests.orchestration.oracle import text_of_rut
from tests.orchestration.starting import lend_parse

TOLD = (
    "another version of Saldo made the warehouse, with {}:"
    " `python -m orchestration replay` rebuilds it from the landing area"
)
OTHER_COLUMNS = TOLD.format("other columns in {}")
OTHER_MEANING = TOLD.format("another meaning of the rows that it keeps")
DEBTS_FILE = csv_of(
    [
        ("customer_id", "product_id", "due_date", "amount"),
        ("c-1", "p-1", "2026-03-31", "1000"),
    ]
)
DEBTS = "select * from debts order by debt_id"
HISTORY = "select * exclude (dbt_scd_id) from debts_history order by debt_id, dbt_valid_from"


def test_a_warehouse_that_dbt_alone_made_before_any_load_is_of_this_version(home: Home) -> None:
    """R34: it is what somebody has who knows dbt and has seen that it works."""
    lend_parse(home)
    run_dbt(home, *BUILD, "--exclude-resource-type", "test")
    with warehouse.connect(home) as connection:
        assert kept_tables.read_meaning(connection) is None
        assert loads.carry_landed(connection, home) is None


@pytest.fixture
def built(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with the kept tables of this version, empty, and a load that is finished."""
    with warehouse.connect(home) as connection:
        for table, columns in kept_tables.read_expected().tables.items():
            named = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            if not table.startswith("marts."):
                connection.execute(f"create schema if not exists {table.partition('.')[0]}")
            connection.execute(f"create table {table} ({named})")
        kept_tables.note_meaning(connection)
        connection.execute("create table main.of_an_analyst (anything integer)")
        connection.execute(
            "insert into raw.loads by name select 1 as load_id, now() as loaded_at,"
            " current_date as business_date, '' as contracts, now() as finished_at"
        )
        yield connection


def test_the_kept_tables_of_this_version_are_accepted(built: duckdb.DuckDBPyConnection) -> None:
    kept_tables.check(built)


def test_an_empty_warehouse_is_accepted(home: Home) -> None:
    with warehouse.connect(home) as connection:
        kept_tables.check(connection)


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("alter table marts.debts drop column amount", "marts.debts"),
        (
            "alter table intermediate.int_payments__versioned add column more integer",
            "intermediate.int_payments__versioned",
        ),
        ("alter table marts.debts alter column amount type decimal(18, 2)", "marts.debts"),
        ("alter table marts.debts_history rename column status to state", "marts.debts_history"),
        ("drop table intermediate.int_balances__moved", "intermediate.int_balances__moved"),
    ],
)
def test_a_kept_table_with_other_columns_is_told(
    built: duckdb.DuckDBPyConnection, change: str, table: str
) -> None:
    built.execute(change)
    with pytest.raises(OlderWarehouseError) as told:
        kept_tables.check(built)
    assert str(told.value) == OTHER_COLUMNS.format(table)


def test_a_table_that_the_first_load_has_not_reached_is_not_missing(
    built: duckdb.DuckDBPyConnection,
) -> None:
    built.execute("drop table marts.daily_balance")
    built.execute("update raw.loads set finished_at = null")
    kept_tables.check(built)


def _raise_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a version in which the kept rows mean something else."""
    now = kept_tables.read_expected()
    raised = replace(now, meaning=now.meaning + 1)
    monkeypatch.setattr(kept_tables, "read_expected", lambda: raised)


def test_a_warehouse_that_noted_no_meaning_has_the_first_one(
    built: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    built.execute("comment on table raw.loads is null")
    kept_tables.note_meaning(built)  # it has a load: too late
    expected = kept_tables.read_expected()
    monkeypatch.setattr(kept_tables, "read_expected", lambda: replace(expected, meaning=1))
    kept_tables.check(built)
    _raise_meaning(monkeypatch)
    with pytest.raises(OlderWarehouseError) as told:
        kept_tables.check(built)
    assert str(told.value) == OTHER_MEANING


def test_rows_that_mean_something_else_now_are_told_until_a_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House.make(tmp_path, {"agua": {}})
    house.load(Deposit("agua", DEBTS_FILE))
    before = house.query(DEBTS)
    with warehouse.connect(house.home) as connection:
        kept_tables.check(connection)
        _raise_meaning(monkeypatch)
        for ask in (kept_tables.check, partial(loads.carry_landed, home=house.home)):
            with pytest.raises(OlderWarehouseError) as told:
                ask(connection)
            assert str(told.value) == OTHER_MEANING
    house.home.warehouse.unlink()
    house.carry(1)
    assert house.query(DEBTS) == before
    with warehouse.connect(house.home) as connection:
        kept_tables.check(connection)


def test_the_list_of_kept_tables_is_that_of_the_models_and_a_replay_mends_a_former_version(
    tmp_path: Path,
) -> None:
    """A real run makes exactly what is listed; a run over another version takes nothing."""
    with install(tmp_path, Installed, days=1) as installed:
        hint = "say `python -m orchestration.devtools.kept_tables` after a change of a model"
        assert find(installed.home) == kept_tables.read_expected().tables, hint

        before = [installed.query(DEBTS), installed.query(HISTORY)]
        with warehouse.connect(installed.home) as connection:
            meaning = kept_tables.read_expected().meaning
            assert kept_tables.read_meaning(connection) == meaning
            connection.execute(
                "alter table intermediate.int_payments__versioned drop column status"
            )
            connection.execute("alter table marts.debts add column former_amount decimal(18, 2)")
        installed.upload(DAYS[1])
        told = OTHER_COLUMNS.format("intermediate.int_payments__versioned, marts.debts")
        for arguments in (
            ("republish", "lumina", DAYS[0].isoformat()),
            ("erase", "lumina", text_of_rut(16847293)),
            ("run", "--date", DAYS[1].isoformat()),
            ("verify",),
        ):
            result = installed.command(*arguments, COLUMNS="300")
            assert result.returncode == 1
            assert told in result.stdout + result.stderr
            assert "Error" not in result.stdout + result.stderr

        assert installed.command("replay").returncode == 0
        assert [installed.query(DEBTS), installed.query(HISTORY)] == before
        result = installed.command("run", "--date", DAYS[1].isoformat())
        assert "another version" not in result.stdout + result.stderr
        assert installed.query(
            f"select count(*) > 0 from intake_days where business_date = '{DAYS[1]}'"
        ) == [(True,)]
