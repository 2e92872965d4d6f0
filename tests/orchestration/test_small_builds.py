"""A build of what a load changes makes the tables that one of everything makes."""

from __future__ import annotations

import csv
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from orchestration.installation import standing, warehouse
from orchestration.installation.home import Home
from orchestration.intake import loads
from tests.orchestration.building import BUILD, build_load, run_dbt
from tests.orchestration.comparing import query, query_all
from tests.orchestration.histories import draw_short
from tests.orchestration.landing_histories import (
    align,
    draw_enrollments,
    land,
    land_workbooks,
    part,
    write_seeds,
)
from tests.orchestration.starting import lend_parse

COUNT = 60
SEED = 1
# Of each load of the histories, of which the third has decisions alone, the order in which its
# files, its events and nothing come: in a new warehouse the first two loads have events alone.
ORDERS = ("eefe-----e", "e-f", "f", "e-f")
# A load with which nothing else comes, nor with the one before it, nor the two after it.
CONTRACTS_CHANGE = 7
_CONTRACTS = "organizations.csv"
_WITHOUT_TESTS = ("--exclude-resource-type", "test")


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Home, Home, int]:
    """Two homes in which the same has landed, with the first contracts, and the number of loads."""
    histories = part(align(draw_short(SEED, COUNT)), ORDERS)
    small, whole = (Home(tmp_path / name, tmp_path / "seeds") for name in ("small", "whole"))
    write_seeds(small.seeds, histories)
    contracts = (small.seeds / _CONTRACTS).read_bytes()
    small.create()
    load_count = len(histories[0].loads)
    for number in range(1, load_count + 1):
        if number == CONTRACTS_CHANGE:
            _change_contracts(small.seeds)
        choices = random.Random(f"{SEED} customers {number}")
        brought = [history.loads[number - 1] for history in histories]
        workbooks, enrolled = [], ""
        if any(each.files for each in brought):
            workbooks = list(land_workbooks(small, number, choices))
        if any(each.events for each in brought):
            enrolled = "".join(draw_enrollments(small, number, choices))
        land(small, number, histories, workbooks, enrolled)
    (small.seeds / _CONTRACTS).write_bytes(contracts)
    shutil.copytree(small.landing, whole.landing)
    shutil.copytree(small.events, whole.events)
    whole.create()
    for home in (small, whole):
        lend_parse(home)
    return small, whole, load_count


def test_each_table_is_as_it_would_be_had_everything_been_built(
    homes: tuple[Home, Home, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    small, whole, load_count = homes
    chosen: Counter[tuple[str, ...]] = Counter()
    choose_nodes = standing.choose_nodes

    def noting(*arguments: object) -> tuple[str, ...]:
        selected = choose_nodes(*arguments)  # type: ignore[arg-type]
        chosen[selected] += 1
        return selected

    monkeypatch.setattr(standing, "choose_nodes", noting)
    for number in range(1, load_count + 1):
        if number == CONTRACTS_CHANGE:
            _change_contracts(small.seeds)
        _land(small)
        build_load(small, number, *_WITHOUT_TESTS)
        _land(whole)
        run_dbt(whole, *BUILD, *_WITHOUT_TESTS)
        with warehouse.connect(whole) as connection:
            warehouse.finish_load(connection, number)
        _assert_the_same(small, whole, number)
    names = ("what_a_load_changes", "what_events_change", "what_a_day_changes")
    assert set(chosen) == {(), *(("--selector", name) for name in names)}
    assert chosen[()] == 2
    assert chosen["--selector", "what_events_change"] >= 3
    assert chosen["--selector", "what_a_day_changes"] >= 2


def _change_contracts(seeds: Path) -> None:
    """Give those who are paid in UF another currency, so their customers' accounts are others."""
    path = seeds / _CONTRACTS
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    changed = [row for row in rows if row["currency"] == "CLF"]
    assert changed
    for row in changed:
        row["currency"] = "CLP"
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _land(home: Home) -> None:
    with warehouse.connect(home) as connection:
        assert loads.carry_landed(connection, home) is not None


def _assert_the_same(small: Home, whole: Home, number: int) -> None:
    tables = query(
        whole,
        "select database_name, schema_name, table_name from duckdb_tables()"
        " where not internal and table_name not in ('built', 'finished_load', 'warehouse_id')"
        " order by all",
    )
    assert len(tables) > 50
    names = [".".join(f'"{part}"' for part in table) for table in tables]
    queries = [f"from {name} order by all" for name in names]
    rows_of = zip(query_all(small, queries), query_all(whole, queries), strict=True)
    for name, (built, expected) in zip(names, rows_of, strict=True):
        assert built == expected, f"{name} after load {number}"
