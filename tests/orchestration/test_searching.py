"""What the page Find leads to: an id however it is shown, typed or pasted (R1, R35)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from orchestration.delivery import published_copy
from orchestration.installation import warehouse
from orchestration.pages.published import Reader, opened
from orchestration.pages.queries.debts import MOST_FOUND, find
from tests.orchestration.houses import Deposit, House, csv_of, event_of

HEADER = ("customer_id", "product_id", "due_date", "amount")
DUE = "2026-03-31"
MANY = 250


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A published copy with ids as organizations write them."""
    house = House.make(
        tmp_path_factory.mktemp("searching"),
        {"agua": {}, "luz": {"customer_id_scheme": "rut"}},
    )
    own = [
        ("A  B", "two blanks", DUE, "1000"),
        ("Peña", "composed", DUE, "1000"),
        ("Len\u0303a", "decomposed", DUE, "1000"),
        ("00124", "zeros", DUE, "1000"),
        ("C\u200b7", "invisible", DUE, "1000"),
        ("T\tU", "a tab", DUE, "1000"),
        ('="0077"', "a formula", DUE, "1000"),
        ("'0088", "an apostrophe", DUE, "1000"),
        ("\x7fX9", "a control character before it", DUE, "1000"),
        ("V\x01W", "a control character", DUE, "1000"),
        *(("many", f"P-{number}", DUE, "1000") for number in range(MANY)),
    ]
    house.load(
        Deposit("agua", csv_of([HEADER, *own])),
        Deposit("luz", csv_of([HEADER, ("12.345.678-5", "a rut", DUE, "1000")])),
        events=[
            event_of("agua", 1, customer_id="00124", product_id="zeros", due_date=DUE),
        ],
    )
    with warehouse.connect(house.home) as connection:
        published_copy.publish(connection, house.home)
    with opened(house.home) as reader:
        yield reader


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("A  B", "two blanks"),
        ("A B", "two blanks"),
        ("A\u00a0\u2003B", "two blanks"),
        ("Peña", "composed"),
        (unicodedata.normalize("NFD", "Peña"), "composed"),
        ("Leña", "decomposed"),
        ("Lena", None),
        ('="00124"', "zeros"),
        ("'00124", "zeros"),
        ("001\u200b24", "zeros"),
        ("C7", "invisible"),
        ("C\u200b7", "invisible"),
        ("T U", "a tab"),
        ("T\tU", "a tab"),
        ("VW", "a control character"),
        ("X9", "a control character before it"),
        ("0077", "a formula"),
        ("0088", "an apostrophe"),
        ("two  blanks", "two blanks"),
        ("12.345.678\u20115", "a rut"),
        ("\u200b123456785", "a rut"),
        ("\u200bpay-1", "zeros"),
        ("\u200b", None),
    ],
)
def test_an_id_is_found_however_it_is_shown_typed_or_pasted(
    reader: Reader, text: str, product: str | None
) -> None:
    found = find(reader, text)
    assert {debt.product_id for debt in found.debts} == ({product} if product else set())
    assert found.has_all_debts


def test_more_debts_than_are_shown_are_counted(reader: Reader) -> None:
    found = find(reader, "many")
    assert (len(found.debts), found.debt_count, found.has_all_debts) == (MOST_FOUND, MANY, False)
