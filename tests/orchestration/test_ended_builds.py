"""A build that was killed between any two models comes to the same rows when it is repeated (R29).

Each model writes one table of one of the two files, in a transaction of its own: a build that was
killed has written the models up to one, and what these are made of. From there the next run
repeats the load.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestration.delivery import published_copy
from orchestration.installation import kept_tables, warehouse
from orchestration.installation.project_yaml import published_tables
from orchestration.intake import loads
from tests.orchestration.building import run_dbt
from tests.orchestration.houses import Deposit, House, csv_of, event_of, xlsx_of
from tests.orchestration.starting import copy_home

HEADER = ["customer_id", "product_id", "due_date", "amount"]
CUSTOMERS = ["customer_id", "name", "mail"]
DUE = "2026-03-31"
# What a killed build had written: each mart that keeps its rows, without what is made of it, and
# what the first of them are made of. Of those in a row, none is made of another.
WRITTEN = {
    "the payments, the events, the customers and what the debts are made of": (
        "+payments +payment_events +customers +debts --exclude debts"
    ),
    "the debts, the rejections, the history of the customers and the enrollments": (
        "+debts +intake_rejections +customers_history +enrollments"
    ),
    "the history, and what the lines of the payments files are made of": (
        "+debts_history +payments_file_lines --exclude payments_file_lines"
    ),
    "the lines of the payments files": "+payments_file_lines",
    "the balance": "+daily_balance",
}


def _rows(*rows: tuple[str, str, str]) -> bytes:
    return csv_of([HEADER, *((customer, product, DUE, money) for customer, product, money in rows)])


def _land_first(house: House) -> None:
    bases = [(f"C{number}", f"P{number}", "1000") for number in range(1, 7)]
    house.land(
        *(Deposit(name, _rows(*bases)) for name in house.organizations),
        Deposit("agua", xlsx_of([CUSTOMERS, ["C1", "Ana", "ana@b.cl"]]), "customers"),
        events=[_pay("agua", 1, "pending")],
    )


def _land_second(house: House) -> None:
    """One organization's file changes, refuses, withdraws and adds; the other's is held."""
    house.land(
        Deposit(
            "agua",
            _rows(
                *[("C1", "P1", "1000"), ("C2", "P2", "2000"), ("C3", "P3", "much")],
                *[("C4", "P4", "1000"), ("C9", "P9", "1000")],
            ),
        ),
        Deposit("luz", _rows(("C1", "P1", "1500"))),
        Deposit("agua", xlsx_of([CUSTOMERS, ["C1", "Ana", ""], ["C2", "Eva", ""]]), "customers"),
        events=[_pay("agua", 1, "authorized"), _pay("agua", 4, "authorized"), _pay("luz", 2, "x")],
    )


def _pay(organization_id: str, number: int, status: str) -> dict[str, object]:
    event = event_of(
        organization_id,
        number,
        customer_id=f"C{number}",
        product_id=f"P{number}",
        due_date=DUE,
        status=status,
    )
    return {**event, "event_id": f"{organization_id}-{number}-{status}"}


def _state(house: House) -> dict[str, list[tuple[object, ...]]]:
    """Every row that is kept or published, with its instants."""
    names = {*kept_tables.read_expected().tables, *(f"main.{name}" for name in published_tables())}
    return house.tables(sorted(names))


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house that has carried one load, and has landed another."""
    house = House.make(
        tmp_path_factory.mktemp("landed"), {"agua": {}, "luz": {"max_withdrawal_share": "0.1"}}
    )
    _land_first(house)
    house.carry(1)
    _land_second(house)
    return house


def _copy(landed: House, root: Path) -> House:
    return dataclasses.replace(landed, home=copy_home(landed.home, root))


@pytest.fixture(scope="module")
def undisturbed(landed: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    house = _copy(landed, tmp_path_factory.mktemp("undisturbed"))
    house.carry(2)
    statuses = "select product_id, status from debts where organization_id = 'agua' order by all"
    assert house.query(statuses) == [
        ("P1", "paid"),
        ("P2", "pending"),
        ("P3", "pending"),
        ("P4", "paid"),
        ("P5", "withdrawn"),
        ("P6", "withdrawn"),
        ("P9", "pending"),
    ]
    verdicts = "select status from intake_files where organization_id = 'luz' order by all"
    assert house.query(verdicts) == [("applied",), ("held",)]
    return house


@pytest.mark.parametrize("written", WRITTEN)
def test_a_build_that_was_killed_after_some_models_comes_to_the_same_rows(
    landed: House, undisturbed: House, tmp_path: Path, written: str
) -> None:
    house = _copy(landed, tmp_path / "home")
    with warehouse.connect(house.home) as connection:
        loads.carry_landed(connection, house.home)
    selected, _, left_out = WRITTEN[written].partition(" --exclude ")
    run_dbt(
        house.home,
        *("build", "--quiet", "--exclude-resource-type", "unit_test"),
        *("--exclude-resource-type", "test", "--select", *selected.split()),
        *(("--exclude", left_out) if left_out else ()),
    )
    house.carry(2)
    assert _state(house) == _state(undisturbed)
    with warehouse.connect(house.home) as connection:
        published_copy.publish(connection, house.home)
    with warehouse.reading(house.home) as connection:
        assert published_copy.find_differences(connection, house.home) == []
