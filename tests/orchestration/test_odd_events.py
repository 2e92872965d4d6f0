"""Events that contradict another one of their id, or are ahead of their time: told, and no money is
lost (R21, R25).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pytest

from tests.orchestration.houses import Deposit, House, Rows, csv_of, event_of

DUE = "2026-03-31"
AHEAD, REPEATED = "ahead_of_time", "repeated_otherwise"
PUBLISHED = """
select business_date, payment_id, product_id, cast(amount as integer)
from payments_file_lines
order by all
"""
EXCEPTIONS = """
select code, payment_id, product_id, opened_by_event_id, is_open
from payment_exceptions
order by code, payment_id, product_id
"""


class Told(NamedTuple):
    """The lines of all payments files and the exceptions after a load."""

    published: Rows
    exceptions: Rows


def _event(number: int, product_id: str = "A", **fields: object) -> dict[str, object]:
    return event_of(
        "agua", number, **{"customer_id": "C", "product_id": product_id, "due_date": DUE, **fields}
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """What is told after each of four loads, at 08:00 of the first four days of March."""
    house = House.make(tmp_path_factory.mktemp("odd"), {"agua": {"payment_flow": "instant"}})
    debts = csv_of(
        [
            ("customer_id", "product_id", "due_date", "amount"),
            *(("C", product_id, DUE, "1000") for product_id in "AB"),
        ]
    )
    early = _event(1, occurred_at="2026-03-04T05:00:00+00:00")
    loads = (
        [early],
        [
            {**early, "occurred_at": "2026-03-04T02:00:00-03:00"},  # the same instant
            {**early, "amount": 3000},
            {**early, "payment_id": "pay-2", "product_id": "B"},
        ],
        [_event(2, "B")],
        [],
    )
    after = []
    for number, events in enumerate(loads):
        house.load(*([] if number else [Deposit("agua", debts)]), events=events)
        after.append(Told(house.query(PUBLISHED), house.query(EXCEPTIONS)))
    return after


def test_an_event_that_is_days_ahead_is_published_at_once_and_told_until_its_time(
    told: list[Told],
) -> None:
    assert told[0] == Told(
        [(date(2026, 3, 1), "pay-1", "A", 1000)], [(AHEAD, "pay-1", "A", "event-1", True)]
    )
    assert [each.exceptions[0] for each in told[2:]] == [
        (AHEAD, "pay-1", "A", "event-1", True),
        (AHEAD, "pay-1", "A", "event-1", False),
    ]


def test_of_one_event_id_the_first_content_stands_and_every_other_is_told(
    told: list[Told],
) -> None:
    assert told[1].published == told[0].published
    assert told[1].exceptions[1:] == [
        (REPEATED, "pay-1", "A", "event-1", True),
        (REPEATED, "pay-2", "B", "event-1", True),
    ]


def test_what_was_not_counted_is_once_it_comes_under_an_id_of_its_own(told: list[Told]) -> None:
    assert told[2].published == [
        *told[0].published,
        (date(2026, 3, 3), "pay-2", "B", 1000),
    ]
    assert told[2].exceptions[1:] == [
        (REPEATED, "pay-1", "A", "event-1", True),
        (REPEATED, "pay-2", "B", "event-1", False),
    ]
