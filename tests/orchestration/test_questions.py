"""The documented questions where files come late, several files have one date, and money has two
currencies.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from orchestration.delivery import published_copy
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT
from tests.orchestration.houses import Deposit, House, csv_of, event_of

HEADER = ["customer_id", "product_id", "due_date", "amount"]
DUE = "2026-03-31"
TUESDAY = date(2026, 3, 3)


def _debt(product_id: str, amount: str) -> list[str]:
    return ["C1", product_id, DUE, amount]


def _payment(number: int, product_id: str, **fields: object) -> dict[str, object]:
    debt = {"customer_id": "C1", "product_id": product_id, "due_date": DUE}
    return event_of("lumina", number, **debt, **fields)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> House:
    """An organization in `upsert` mode whose second file for Tuesday comes on Thursday."""
    house = House.make(tmp_path_factory.mktemp("copy"), {"lumina": {"update_mode": "upsert"}})
    house.load(Deposit("lumina", csv_of([HEADER, _debt("P1", "1000"), _debt("P9", "9000")])))
    house.load()
    house.load(
        Deposit("lumina", csv_of([HEADER, _debt("P2", "2000"), _debt("P8", "8000")])),
        Deposit("lumina", csv_of([HEADER, _debt("P9", "9000")]), "payments"),
        events=[_payment(1, "P8", amount=8000), _payment(2, "P7", amount=7, currency="USD")],
    )
    house.load(Deposit("lumina", csv_of([HEADER, _debt("P1", "1500"), _debt("P2", "x")])))
    house.load(Deposit("lumina", csv_of([HEADER, _debt("P3", "3000")]), business_date=TUESDAY))
    with warehouse.connect(house.home) as connection:
        published_copy.publish(connection, house.home)
    return house


def _rows(house: House, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(house.home.analytics), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def _answer(house: House, number: int) -> list[tuple[Any, ...]]:
    text = (PROJECT / "docs" / "questions.md").read_text("utf-8")
    question = text.partition(f"\n## {number}. ")[2].partition("```sql\n")[2].partition("```")[0]
    return _rows(house, question)


def test_a_past_base_is_asked_for_where_a_date_has_several_files(copy: House) -> None:
    """Question 5; a file of payments has Tuesday's date, too."""
    assert _answer(copy, 5) == [("lumina", "pending", "CLP", 3, Decimal(6500))]


def test_two_days_differ_by_status_and_amount_whatever_comes_for_them_later(copy: House) -> None:
    assert _answer(copy, 6) == [
        ("lumina", "pending", "pending", 1, Decimal(1000), "CLP", Decimal(1500), "CLP")
    ]


def test_money_of_two_currencies_is_not_added(copy: House) -> None:
    assert _answer(copy, 10) == [("lumina", "CLP", 8000), ("lumina", "USD", 7)]
    days = {(on.day, currency): row for on, currency, *row in _answer(copy, 12)}
    assert {key: (row[0], row[-2], row[-1]) for key, row in days.items()} == {
        (1, "CLP"): (0, 2, 10000),
        (2, "CLP"): (2, 2, 10000),
        (3, "CLP"): (2, 2, 3000),
        (3, "USD"): (0, 0, 0),
        (4, "CLP"): (2, 2, 3500),
        (4, "USD"): (0, 0, 0),
        (5, "CLP"): (2, 3, 6500),
        (5, "USD"): (0, 0, 0),
    }
    assert [row[2:] for row in _answer(copy, 13)] == [("CLP", 0, 0, 0, 0), ("USD", 0, 0, 0, 0)]


def test_the_readme_reads_the_base_at_the_end_of_a_date(copy: House) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    now, _, past, _ = block.strip().rstrip(";").split(";")
    assert _rows(copy, now) == [("lumina", "pending", "CLP", 3, Decimal(6500))]
    assert _rows(copy, f"select product_id, amount from ({past}) order by all") == [
        ("P1", Decimal(1000)),
        ("P2", Decimal(2000)),
    ]
