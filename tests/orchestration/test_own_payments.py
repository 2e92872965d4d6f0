"""Part payments, overpayments and returned cheques in an organization's own payments file.

Real runs over two dates. On the first the organization says what its desk received: of one debt
the whole, of others less, more and nothing. On the second it takes two of them back, once with the
minus behind the number, as accounting systems write it (R6, R25).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from tests.orchestration.installations import Installed, Rows, install

FIRST, SECOND = DAYS = date(2026, 11, 2), date(2026, 11, 3)
CUSTOMERS = ["7000000-8", "7000001-6", "7000002-4", "7000003-2", "7000004-0"]
# What each customer owes by the debts file of each date.
OWED = [[50000, 50000, 50000, 50000, 50000], [50000, 49000, 50000, 50000, 50000]]
PAID = [
    """rut,product_id,due_date,amount,channel,paid_on
7000000-8,L-0,2026-12-05,50000,caja,2026-11-01
7000001-6,L-1,2026-12-05,1000,caja,2026-11-01
7000002-4,L-2,2026-12-05,70000,caja,2026-11-01
7000003-2,L-3,2026-12-05,0,caja,2026-11-01
""",
    """rut,product_id,due_date,amount,channel,paid_on
7000000-8,L-0,2026-12-05,50000-,cheque protestado,2026-11-02
7000002-4,L-2,2026-12-05,-70000,cheque protestado,2026-11-02
""",
]
DEBTS = """
    select product_id, amount, status, is_in_base
    from debts where organization_id = 'lumina' order by product_id
"""
EXCEPTIONS = """
    select product_id, code, opened_on, is_open
    from payment_exceptions where organization_id = 'lumina' order by all
"""
BALANCE = """
    select
        opening_amount, new_amount, returned_amount, paid_amount, changed_amount, closing_amount,
        received_amount, published_amount
    from daily_balance where organization_id = 'lumina' order by business_date
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Rows]]]:
    """What analysts read after each of the dates."""
    with install(tmp_path_factory.mktemp("own_payments"), Installed) as installed:
        yield [
            _run(installed, day, owed, paid)
            for day, owed, paid in zip(DAYS, OWED, PAID, strict=True)
        ]


def _run(installed: Installed, day: date, owed: list[int], paid: str) -> dict[str, Rows]:
    inbox = installed.server_root / "lumina" / "inbox"
    lines = [
        f"{customer},L-{number},2026-12-05,{amount}\n"
        for number, (customer, amount) in enumerate(zip(CUSTOMERS, owed, strict=True))
    ]
    (inbox / f"{day}_toku_invoices.csv").write_text(
        "".join(["rut,product_id,due_date,amount\n", *lines])
    )
    (inbox / f"{day}_toku_payments.csv").write_text(paid)
    result = installed.command("run", "--date", day.isoformat())
    assert result.returncode == 0, result.stdout + result.stderr
    tables = {"debts": DEBTS, "exceptions": EXCEPTIONS, "balance": BALANCE}
    return {name: installed.query(sql) for name, sql in tables.items()}


def test_what_was_taken_back_is_owed_again_and_what_was_paid_in_any_amount_is_not(
    told: list[dict[str, Rows]],
) -> None:
    assert [each["debts"] for each in told] == [
        [
            ("L-0", 50000, "paid", False),
            ("L-1", 50000, "paid", False),
            ("L-2", 50000, "paid", False),
            ("L-3", 50000, "paid", False),
            ("L-4", 50000, "pending", True),
        ],
        [
            ("L-0", 50000, "pending", True),
            ("L-1", 49000, "paid", False),
            ("L-2", 50000, "pending", True),
            ("L-3", 50000, "paid", False),
            ("L-4", 50000, "pending", True),
        ],
    ]


def test_another_amount_than_the_debt_zero_included_and_what_was_taken_back_are_exceptions(
    told: list[dict[str, Rows]],
) -> None:
    differs: Rows = [(f"L-{number}", "amount_differs", FIRST, True) for number in (1, 2, 3)]
    assert told[0]["exceptions"] == differs
    assert told[1]["exceptions"] == [
        ("L-0", "taken_back", SECOND, True),
        ("L-1", "amount_differs", FIRST, True),
        ("L-1", "listed_after_paid", SECOND, True),
        ("L-2", "amount_differs", FIRST, False),
        ("L-2", "taken_back", SECOND, True),
        ("L-3", "amount_differs", FIRST, True),
        ("L-3", "listed_after_paid", SECOND, True),
    ]


def test_what_was_taken_back_returns_to_the_base_and_moves_no_money_of_ours(
    told: list[dict[str, Rows]],
) -> None:
    assert told[1]["balance"] == [
        (0, 250000, 0, 200000, 0, 50000, 0, 0),
        (50000, 0, 100000, 0, 0, 150000, 0, 0),
    ]
