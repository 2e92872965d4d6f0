"""Random histories of many organizations, told load by load by the warehouse and by the oracle.

Organizations are independent, so one warehouse with 600 of them is 600 histories for a handful of
builds. SALDO_HISTORIES sets how many, SALDO_HISTORIES_SEED which; `make test-deep` asks for more.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestration.contracts.event_words import EVENT_WORD_FILES, PAYMENT_STATUSES
from orchestration.contracts.organizations import CONTRACT_FILES
from orchestration.installation import kept_tables, warehouse
from orchestration.installation.home import Home
from orchestration.installation.project_yaml import published_tables
from orchestration.intake import loads
from orchestration.landing import manifests, store
from orchestration.reports import refreshing
from tests.orchestration.building import BUILD, build_load, run_dbt
from tests.orchestration.comparing import Told, assert_as_the_oracle_says, query, query_all
from tests.orchestration.histories import (
    Contract,
    History,
    IntakeFile,
    Load,
    PaymentEvent,
    business_date,
    draw_many,
)
from tests.orchestration.landing_histories import (
    align,
    business_date_of,
    instant_of,
    land,
    write_seeds,
)
from tests.orchestration.oracle import replay
from tests.orchestration.starting import copy_warehouse, lend_parse

COUNT = int(os.environ.get("SALDO_HISTORIES", "600"))
SEED = int(os.environ.get("SALDO_HISTORIES_SEED", "1"))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Histories landed as real files and manifests, in a home whose warehouse is still empty."""
    histories = align(list(draw_many(SEED, COUNT)))
    root = tmp_path_factory.mktemp("histories")
    home = Home(root / "home", root / "seeds")
    write_seeds(home.seeds, histories)
    home.create()
    lend_parse(home)
    for number in range(1, len(histories[0].loads) + 1):
        land(home, number, histories)
    dates = [business_date_of(number) for number in range(1, len(histories[0].loads) + 1)]
    return Told(home, histories, [replay(history, dates) for history in histories])


@pytest.fixture(scope="module")
def incremental(told: Told) -> Told:
    """The warehouse after every load, each compared with the oracle on the way."""
    for number in range(1, told.load_count + 1):
        if number == told.load_count:
            copy_warehouse(told.home, _one_load_earlier(told))
        _carry(told.home)
        assert_as_the_oracle_says(told, number)
    return told


def test_after_each_load_all_is_as_the_oracle_says(incremental: Told) -> None:
    with warehouse.connect(incremental.home) as connection:
        assert warehouse.last_load_id(connection) == incremental.load_count
        assert warehouse.unfinished_load_id(connection) is None


def test_a_full_refresh_gives_the_same_tables_and_all_tests_hold_for_every_row(
    incremental: Told, tmp_path: Path
) -> None:
    """R9, as `verify` finds it."""
    copy = Home(tmp_path / "home", incremental.home.seeds)
    copy.create()
    lend_parse(copy)
    copy_warehouse(incremental.home, copy)
    queries = (_DEBTS, _HISTORY, *_DERIVED)
    before = query_all(copy, queries)
    assert list(refreshing.find_differences(copy)) == []
    assert query_all(copy, queries) == before


def test_a_load_that_a_full_refresh_carries_through_gives_the_same_debts_and_history(
    incremental: Told, tmp_path: Path
) -> None:
    copy = Home(tmp_path / "home", incremental.home.seeds)
    shutil.copytree(incremental.home.landing, copy.landing)
    copy.create()
    lend_parse(copy)
    copy_warehouse(_one_load_earlier(incremental), copy)
    _carry(copy, "--full-refresh")
    queries = (_DEBTS, _HISTORY_OF_STATES, *_DERIVED)
    assert query_all(copy, queries) == query_all(incremental.home, queries)


def test_a_mended_build_of_the_newest_load_writes_its_versions_anew(
    incremental: Told, tmp_path: Path
) -> None:
    copy = Home(tmp_path / "home", incremental.home.seeds)
    copy.create()
    lend_parse(copy)
    copy_warehouse(incremental.home, copy)
    before = query(copy, _HISTORY)
    with warehouse.connect(copy) as connection:
        newest = instant_of(incremental.load_count)
        connection.execute(
            "update debts_history set file_status = 'mistaken' where dbt_valid_from = ?", [newest]
        )
    assert query(copy, _HISTORY) != before
    run_dbt(copy, *BUILD)
    assert query(copy, _HISTORY) == before


def test_a_replay_that_builds_everything_and_reads_every_row_gives_the_same_tables(
    incremental: Told, tmp_path: Path
) -> None:
    """R10, R32: what builds recognized by its hash is told as if they had read it, and what they
    left out is as if they had built it.
    """
    recognized = "select count(*) from intermediate.int_invoices__recognized where part = 'same'"
    assert query(incremental.home, recognized) != [(0,)]
    copy = Home(tmp_path / "home", incremental.home.seeds)
    shutil.copytree(incremental.home.landing, copy.landing)
    shutil.copytree(incremental.home.events, copy.events)
    copy.create()
    lend_parse(copy)
    for _ in range(incremental.load_count):
        _carry(copy, "--vars", "{reads_every_row: true}")
    assert query(copy, recognized) == [(0,)]
    names = sorted({*kept_tables.read_expected().tables, *published_tables()})
    queries = [f"from {name.replace('marts.', 'marts.main.')} order by all" for name in names]
    rows_of = zip(query_all(copy, queries), query_all(incremental.home, queries), strict=True)
    for name, (replayed, told) in zip(names, rows_of, strict=True):
        assert replayed == told, name


def test_a_build_of_the_newest_load_again_changes_nothing(
    incremental: Told, tmp_path: Path
) -> None:
    copy = Home(tmp_path / "home", incremental.home.seeds)
    copy.create()
    lend_parse(copy)
    copy_warehouse(incremental.home, copy)
    queries = (_DEBTS, _HISTORY, *_DERIVED)
    before = query_all(copy, queries)
    run_dbt(copy, *BUILD)
    assert query_all(copy, queries) == before


def test_the_history_as_of_each_load_is_the_base_of_that_load(incremental: Told) -> None:
    for number in range(1, incremental.load_count + 1):
        as_of = query(
            incremental.home,
            f"""
            select
                organization_id, main.normal_id(customer_id), main.normal_id(product_id), due_date,
                amount, status
            from debts_history
            where
                dbt_valid_from <= timestamp '{instant_of(number)}'
                and (dbt_valid_to is null or dbt_valid_to > timestamp '{instant_of(number)}')
            order by all
            """,
        )
        expected = sorted(
            (history.contract.organization_id, *key, debt.amount, debt.status)
            for history, outcomes in zip(incremental.histories, incremental.outcomes, strict=True)
            for key, debt in outcomes[number - 1].debts.items()
        )
        assert as_of == expected


def test_contracts_that_change_do_not_change_what_was_read_by_them(tmp_path: Path) -> None:
    """R9, R10, R20, R21: an organization changes its ids, one leaves, a status gets a meaning."""
    home = Home(tmp_path / "home", tmp_path / "seeds")
    first = (
        _one_payment("changes", "external_id", "12.345.678-5", "authorized"),
        _one_payment("leaves", "rut", "12345678-5", "authorized"),
        _one_payment("waits", "rut", "12345678-5", "on_hold"),
    )
    write_seeds(home.seeds, first)
    home.create()
    lend_parse(home)
    land(home, 1, first)
    _carry(home)
    assert _statuses(home) == {"changes": "paid", "leaves": "paid", "waits": "pending"}

    second = (
        History(replace(first[0].contract, customer_id_scheme="rut"), (Load(), Load())),
        History(first[2].contract, (Load(), Load())),
    )
    shutil.rmtree(home.seeds)
    write_seeds(home.seeds, second)
    with (home.seeds / "payment_statuses.csv").open("a", encoding="utf-8") as statuses:
        statuses.write("on_hold,in_process\n")
    land(home, 2, second)
    _carry(home)
    assert _statuses(home) == {"changes": "paid", "leaves": "paid", "waits": "in_process"}

    queries = (_DEBTS, _HISTORY, *_DERIVED)
    told = query_all(home, queries)
    replayed = Home(tmp_path / "replayed", home.seeds)
    shutil.copytree(home.landing, replayed.landing)
    replayed.create()
    lend_parse(replayed)
    for _ in range(2):
        _carry(replayed)
    assert query_all(replayed, queries) == told
    run_dbt(home, *BUILD, "--full-refresh")
    assert query_all(home, queries) == told


def test_a_load_of_a_version_that_kept_no_words_is_read_by_those_of_its_first_replay(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home", tmp_path / "seeds")
    told = (_one_payment("lumina", "rut", "12345678-5", "authorized"),)
    write_seeds(home.seeds, told)
    home.create()
    lend_parse(home)
    land(home, 1, told)
    _forget_words(home)
    _carry(home)
    assert _statuses(home) == {"lumina": "paid"}

    path = home.seeds / PAYMENT_STATUSES
    path.write_text(path.read_text().replace("authorized,authorized", "authorized,rejected"))
    again = Home(tmp_path / "again", home.seeds)
    shutil.copytree(home.landing, again.landing)
    again.create()
    lend_parse(again)
    _carry(again)
    assert _statuses(again) == {"lumina": "paid"}


def _forget_words(home: Home) -> None:
    """Have the first load be one of a version that kept no words of events."""
    (folder,) = (home.landing / "_contracts").iterdir()
    for name in EVENT_WORD_FILES:
        (folder / name).unlink()
    kept = [name for name in CONTRACT_FILES if name not in EVENT_WORD_FILES]
    once = store.name_contracts({name: (folder / name).read_bytes() for name in kept})
    folder.rename(folder.with_name(once))
    manifest = manifests.read_manifest(home, 1)
    assert manifest is not None
    manifests.write_manifest(home, replace(manifest, contracts=once))


def _one_payment(organization_id: str, scheme: str, customer_id: str, status: str) -> History:
    """A debt and an event of its payment, both in the first load."""
    cells = {
        "customer_id": customer_id,
        "product_id": "LUZ-1",
        "due_date": "2026-03-31",
        "amount": "1000",
        "is_paid": "",
        "is_void": "",
    }
    file = IntakeFile("invoices", business_date(1), tuple(cells), (tuple(cells.values()),))
    event = PaymentEvent(
        event_id="1",
        occurred_at=datetime(2026, 3, 1, 6, tzinfo=UTC),
        payment_id="pay-1",
        customer_id=customer_id,
        product_id="LUZ-1",
        due_date=date(2026, 3, 31),
        amount="1000",
        status=status,
    )
    contract = Contract(organization_id, customer_id_scheme=scheme)
    return History(contract, (Load(invoices=file, events=(event,)),))


def _statuses(home: Home) -> dict[object, object]:
    return dict(query(home, "select organization_id, status from debts"))  # type: ignore[arg-type]


_DEBTS = """
select
    organization_id, customer_id, product_id, due_date, amount, currency, status, is_in_base,
    kept_because, attributes, first_file_id, payment_id, debt_id, file_status
from debts
order by debt_id
"""

_HISTORY = """
select * exclude (dbt_scd_id)
from debts_history
order by debt_id, dbt_valid_from
"""

_HISTORY_OF_STATES = _HISTORY.replace(
    "dbt_scd_id", "dbt_scd_id, version_file_id, version_line_number"
)

_DERIVED = (
    "select * from payments_file_lines order by all",
    "select * from payment_exceptions order by all",
    "select * from payments_in_process order by all",
    "select * from daily_balance order by all",
    "select * from organization_days order by all",
    "select * from customer_accounts order by all",
)


def _one_load_earlier(told: Told) -> Home:
    """Where the warehouse is kept as it was before the last load."""
    home = Home(told.home.root / "one_load_earlier", told.home.seeds)
    home.root.mkdir(exist_ok=True)
    return home


def _carry(home: Home, *options: str) -> None:
    with warehouse.connect(home) as connection:
        carried = loads.carry_landed(connection, home)
        assert carried is not None
    build_load(home, carried.manifest.load_id, *options)
