"""Payments of several debts and reversals of a part, from events to the bytes of payments files.

Real runs over four dates. One organization hears of a payment of three debts, one of which is given
back in two steps, and of a payment of two debts in the same second. Another changes its flow
between dates, and changes it back, with payments in process (R21-R23, R25).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from tests.orchestration.installations import Installed, Rows, install

DAYS = [date(2026, 3, 2) + timedelta(days=number) for number in range(4)]
DUE = "2026-04-05"
THREE_DEBTS = {"LUZ-1": "15000", "LUZ-2": "7000", "LUZ-3": "9000"}
TWO_DEBTS = {"L-1": "15000", "L-2": "7000"}
SCHOOL_DEBTS = {"C-1": "1000", "C-2": "2000", "C-3": "3000", "C-4": "4000"}
THREE, TWO, PUPIL = "19153032-2", "7654321-6", "A-1"
# The flow of the school's contract on each date.
FLOWS = ["in_process", "instant", "in_process", "in_process"]

LUMINA_HEADER = "customer_id,product_id,due_date,channel,status,amount,payment_id,date"
SCHOOL_HEADER = "customer_id|product_id|due_date|channel|status|amount|payment_id|date"
INSTANT_HEADER = "customer_id|product_id|due_date|channel|amount|payment_id|date"
LUMINA_FILES = [
    [
        LUMINA_HEADER,
        "7654321-6,L-1,2026-04-05,Webpay,autorizado,15000.00,pair,2026-03-02",
        "7654321-6,L-2,2026-04-05,Webpay,autorizado,7000.00,pair,2026-03-02",
        "19153032-2,LUZ-1,2026-04-05,Webpay,autorizado,15000.00,triple,2026-03-02",
        "19153032-2,LUZ-2,2026-04-05,Webpay,autorizado,7000.00,triple,2026-03-02",
        "19153032-2,LUZ-3,2026-04-05,Webpay,autorizado,9000.00,triple,2026-03-02",
    ],
    [LUMINA_HEADER],
    [
        LUMINA_HEADER,
        "19153032-2,LUZ-2,2026-04-05,Webpay,reversado,-2000.00,triple,2026-03-04",
    ],
    [
        LUMINA_HEADER,
        "19153032-2,LUZ-2,2026-04-05,Webpay,reversado,-5000.00,triple,2026-03-05",
    ],
]
SCHOOL_FILES = [
    [
        SCHOOL_HEADER,
        "A-1|C-1|05/04/2026|Webpay|en proceso de pago|1000.00|across|02/03/2026",
        "A-1|C-2|05/04/2026|Webpay|autorizado|2000.00|before|02/03/2026",
        "A-1|C-3|05/04/2026|Webpay|en proceso de pago|3000.00|ended|02/03/2026",
    ],
    [
        INSTANT_HEADER,
        "A-1|C-2|05/04/2026|Webpay|-500.00|before|03/03/2026",
        "A-1|C-3|05/04/2026|Webpay|3000.00|ended|03/03/2026",
    ],
    [
        SCHOOL_HEADER,
        "A-1|C-1|05/04/2026|Webpay|en proceso de pago|1000.00|across|02/03/2026",
        "A-1|C-4|05/04/2026|Webpay|autorizado|4000.00|begun|04/03/2026",
    ],
    [
        SCHOOL_HEADER,
        "A-1|C-1|05/04/2026|Webpay|autorizado|1000.00|across|05/03/2026",
    ],
]

PARTS = """
    select product_id, received_amount, reversed_amount, status
    from payments where organization_id = 'lumina' order by product_id
"""
DEBTS = """
    select product_id, status, is_in_base
    from debts where organization_id = 'lumina' order by product_id
"""
EXCEPTIONS = """
    select code, payment_id, product_id, opened_on, is_open
    from payment_exceptions where organization_id = 'lumina' order by all
"""
MONEY = """
    with told as (
        select
            payment_id,
            debt_id,
            sum(amount) filter (status <> 'en proceso de pago') as amount,
            count(*) filter (status = 'autorizado') as authorized_count
        from payments_file_lines
        group by payment_id, debt_id
    )

    select
        payment_id,
        coalesce(told.amount, 0),
        coalesce(authorized_count, 0),
        received_amount - reversed_amount
    from payments
    left join told using (payment_id, debt_id)
    where organization_id = 'colegio_pehuen'
    order by payment_id
"""
BALANCES = """
    select received_amount, published_amount, closing_held_amount
    from daily_balance
    where organization_id = 'lumina' and business_date = date '{day}'
"""


@dataclass(frozen=True)
class Day:
    """What a run left.

    Args:
        exit_status: of the run.
        files: the bytes of the payments file, by organization.
        parts, debts, exceptions, balances: what analysts read of Lumina.
        money: what they read of the school's payments.

    """

    exit_status: int
    files: dict[str, bytes]
    parts: Rows
    debts: Rows
    exceptions: Rows
    balances: Rows
    money: Rows


@dataclass(frozen=True)
class Ended:
    """The installation after the last date, and what each date left."""

    installed: Installed
    days: list[Day]


def _event(
    organization_id: str,
    payment_id: str,
    customer_id: str,
    product_id: str,
    amount: str,
    status: str,
    day: date,
    clock: str,
) -> dict[str, str]:
    return {
        "event_id": f"{payment_id}-{product_id}-{status}-{day}",
        "occurred_at": f"{day}T{clock}-03:00",
        "organization_id": organization_id,
        "payment_id": payment_id,
        "customer_id": customer_id,
        "product_id": product_id,
        "due_date": DUE,
        "amount": amount,
        "currency": "CLP",
        "channel": "webpay",
        "status": status,
    }


def _school(
    payment_id: str, product_id: str, amount: str, status: str, day: date, clock: str
) -> dict[str, str]:
    return _event("colegio_pehuen", payment_id, PUPIL, product_id, amount, status, day, clock)


def _events() -> list[list[dict[str, str]]]:
    """The events of each date."""
    first, second, third, fourth = DAYS
    pair = [
        _event("lumina", "pair", TWO, product, amount, "authorized", first, "10:00:00")
        for product, amount in TWO_DEBTS.items()
    ]
    triple = [
        _event("lumina", "triple", THREE, product, amount, "authorized", first, "11:00:00")
        for product, amount in THREE_DEBTS.items()
    ]
    return [
        [
            *pair,
            *triple,
            _school("across", "C-1", "1000", "in_process", first, "12:00:00"),
            _school("before", "C-2", "2000", "authorized", first, "12:01:00"),
            _school("ended", "C-3", "3000", "in_process", first, "12:02:00"),
        ],
        [
            _school("before", "C-2", "500", "reversed", second, "12:01:00"),
            _school("ended", "C-3", "3000", "authorized", second, "12:02:00"),
            _school("begun", "C-4", "4000", "in_process", second, "12:03:00"),
        ],
        [
            _event("lumina", "triple", THREE, "LUZ-2", "2000", "reversed", third, "11:00:00"),
            _school("begun", "C-4", "4000", "authorized", third, "12:03:00"),
        ],
        [
            _event("lumina", "triple", THREE, "LUZ-2", "5000", "reversed", fourth, "11:00:00"),
            _school("across", "C-1", "1000", "authorized", fourth, "12:00:00"),
        ],
    ]


def _bytes(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _leave_debts(installed: Installed) -> None:
    lumina = [
        "rut,product_id,due_date,amount",
        *(f"{THREE},{product},{DUE},{amount}" for product, amount in THREE_DEBTS.items()),
        *(f"{TWO},{product},{DUE},{amount}" for product, amount in TWO_DEBTS.items()),
    ]
    school = [
        "customer_id|product_id|due_date|amount",
        *(f"{PUPIL}|{product}|05/04/2026|{amount}" for product, amount in SCHOOL_DEBTS.items()),
    ]
    for organization_id, lines in (("lumina", lumina), ("colegio_pehuen", school)):
        inbox = installed.server_root / organization_id / "inbox"
        (inbox / f"{DAYS[0]}_toku_invoices.csv").write_bytes(_bytes(lines))


def _set_flow(installed: Installed, organization_id: str, flow: str) -> None:
    path = installed.home.seeds / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        if row["organization_id"] == organization_id:
            row["payment_flow"] = flow
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _run(installed: Installed, day: date, flow: str, events: list[dict[str, str]]) -> Day:
    _set_flow(installed, "colegio_pehuen", flow)
    path = installed.home.events / f"{day}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    result = installed.command("run", "--date", day.isoformat())
    name = f"{day}_toku_payments.csv"
    return Day(
        result.returncode,
        {
            organization_id: (
                installed.server_root / organization_id / "outbox" / name
            ).read_bytes()
            for organization_id in ("lumina", "colegio_pehuen")
        },
        installed.query(PARTS),
        installed.query(DEBTS),
        installed.query(EXCEPTIONS),
        installed.query(BALANCES.format(day=day)),
        installed.query(MONEY),
    )


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """Four dates; the debts files come on the first."""
    with install(tmp_path_factory.mktemp("parts"), Installed) as installed:
        _leave_debts(installed)
        yield Ended(
            installed,
            [
                _run(installed, day, flow, events)
                for day, flow, events in zip(DAYS, FLOWS, _events(), strict=True)
            ],
        )


def test_each_run_succeeds(ended: Ended) -> None:
    assert [day.exit_status for day in ended.days] == [0, 0, 0, 0]


@pytest.mark.parametrize("number", range(4), ids=map(str, DAYS))
def test_a_payment_of_several_debts_has_a_line_for_each_and_one_for_what_was_given_back(
    ended: Ended, number: int
) -> None:
    assert ended.days[number].files["lumina"] == _bytes(LUMINA_FILES[number])


def test_each_part_says_what_was_received_and_given_back(ended: Ended) -> None:
    def parts(given_back: int, status: str) -> Rows:
        return [
            ("L-1", 15000, 0, "authorized"),
            ("L-2", 7000, 0, "authorized"),
            ("LUZ-1", 15000, 0, "authorized"),
            ("LUZ-2", 7000, given_back, status),
            ("LUZ-3", 9000, 0, "authorized"),
        ]

    assert [day.parts for day in ended.days] == [
        parts(0, "authorized"),
        parts(0, "authorized"),
        parts(2000, "authorized"),
        parts(7000, "reversed"),
    ]


def test_a_debt_stays_paid_until_the_whole_is_given_back_and_then_follows_its_file(
    ended: Ended,
) -> None:
    products = ["L-1", "L-2", "LUZ-1", "LUZ-2", "LUZ-3"]
    paid: Rows = [(product, "paid", False) for product in products]
    given_back: Rows = [
        (product, "pending", True) if product == "LUZ-2" else (product, "paid", False)
        for product in products
    ]
    assert [day.debts for day in ended.days] == [paid, paid, paid, given_back]


def test_partly_reversed_is_open_from_the_first_part_to_the_whole(ended: Ended) -> None:
    def partly_reversed(is_open: bool) -> Rows:
        return [("partly_reversed", "triple", "LUZ-2", DAYS[2], is_open)]

    assert [day.exceptions for day in ended.days] == [
        [],
        [],
        partly_reversed(True),
        partly_reversed(False),
    ]


def test_the_money_of_each_day_is_told_on_it(ended: Ended) -> None:
    assert [day.balances for day in ended.days] == [
        [(53000, 53000, 0)],
        [(0, 0, 0)],
        [(-2000, -2000, 0)],
        [(-5000, -5000, 0)],
    ]


@pytest.mark.parametrize("number", range(4), ids=map(str, DAYS))
def test_an_organization_that_changes_its_flow_hears_of_each_payment_in_the_flow_of_the_date(
    ended: Ended, number: int
) -> None:
    assert ended.days[number].files["colegio_pehuen"] == _bytes(SCHOOL_FILES[number])


def test_after_each_date_what_was_told_of_a_part_is_what_was_received_less_what_was_given_back(
    ended: Ended,
) -> None:
    standing = [
        {"across": 0, "before": 2000, "ended": 0},
        {"across": 0, "before": 1500, "begun": 0, "ended": 3000},
        {"across": 0, "before": 1500, "begun": 4000, "ended": 3000},
        {"across": 1000, "before": 1500, "begun": 4000, "ended": 3000},
    ]
    # told as money, in how many authorized lines, and what stands
    assert [day.money for day in ended.days] == [
        [(payment_id, amount, int(amount > 0), amount) for payment_id, amount in each.items()]
        for each in standing
    ]


def test_a_date_that_is_run_again_sends_the_same_bytes_in_the_flow_it_had(ended: Ended) -> None:
    """Last in this file: it runs a date again, under another flow."""
    result = ended.installed.command("run", "--date", DAYS[1].isoformat())
    assert result.returncode == 0, result.stdout + result.stderr
    for organization_id, files in (("lumina", LUMINA_FILES), ("colegio_pehuen", SCHOOL_FILES)):
        outbox = ended.installed.server_root / organization_id / "outbox"
        sent = sorted(outbox.glob("*_toku_payments.csv"))
        assert [path.read_bytes() for path in sent] == [_bytes(lines) for lines in files]
