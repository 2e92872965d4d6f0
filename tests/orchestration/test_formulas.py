"""What a spreadsheet would run is sent with an apostrophe before it, and comes back as what it was
(R1, R19, R22).
"""

from __future__ import annotations

import csv
import dataclasses
import os
from pathlib import Path

from orchestration.delivery import ledger, outgoing
from orchestration.installation import warehouse
from tests.orchestration.forking import run_module
from tests.orchestration.houses import Deposit, House, csv_of, event_of

DUE = "2026-03-31"
HEADER = ("customer_id", "product_id", "due_date", "amount")
# Customer and product of each debt, in the order of their payments.
KEYS = [
    ("=1+1", "+56912345678"),
    ("@SUM(A1)", "-7"),
    ('="00124"', "P;1"),
    ("C-1", '=cmd|"/c calc"!A1'),
]
PAYMENTS_FILE = [
    "customer_id;product_id;due_date;channel;amount;payment_id;date",
    "'=1+1;'+56912345678;2026-03-31;'=HYPERLINK(1);1000.00;'@pay-0;2026-03-01",
    "'@SUM(A1);'-7;2026-03-31;'=HYPERLINK(1);1000.00;'@pay-1;2026-03-01",
    '"\'=""00124""";"P;1";2026-03-31;\'=HYPERLINK(1);1000.00;\'@pay-2;2026-03-01',
    'C-1;"\'=cmd|""/c calc""!A1";2026-03-31;\'=HYPERLINK(1);1000.00;\'@pay-3;2026-03-01',
]


def _sent(house: House, name: str) -> list[str]:
    with warehouse.connect(house.home) as connection:
        (file,) = [each for each in outgoing.read_undelivered(connection) if each.file_name == name]
    return file.content.decode().splitlines()


def test_a_file_of_ours_runs_nothing_and_comes_back_to_the_same_debts(tmp_path: Path) -> None:
    house = House.make(
        tmp_path, {"agua": {"update_mode": "upsert", "payment_flow": "instant", "delimiter": ";"}}
    )
    debts = [(*key, DUE, "1000") for key in KEYS]
    paid = [
        event_of(
            "agua",
            number,
            payment_id=f"@pay-{number}",
            customer_id=customer_id,
            product_id=product_id,
            due_date=DUE,
            channel="=HYPERLINK(1)",
        )
        for number, (customer_id, product_id) in enumerate(KEYS)
    ]
    house.load(Deposit("agua", csv_of([HEADER, *debts], ";")), events=paid)
    payments = _sent(house, "2026-03-01_toku_payments.csv")
    assert payments == PAYMENTS_FILE
    known = house.query("select debt_id, customer_id, product_id from debts order by all")

    # The organization sends the ids back as it got them, as debts and as payments of its own.
    rows = list(csv.reader(payments, delimiter=";"))[1:]
    again = [(row[0], row[1], row[2], row[4]) for row in rows]
    house.load(
        Deposit("agua", csv_of([HEADER, *again], ";")),
        Deposit("agua", csv_of([HEADER, *again], ";"), "payments"),
    )
    assert house.refused_rows() == []
    assert house.query("select debt_id, customer_id, product_id from debts order by all") == known
    assert house.query("select count(*) from payment_exceptions where code = 'unknown_debt'") == [
        (0,)
    ]

    wrong = [("=2+2", "@P", DUE, "-5"), ("C-2", "P", DUE, "=5")]
    house.load(Deposit("agua", csv_of([HEADER, *wrong], ";")))
    refused = _sent(house, "2026-03-03_toku_invoices.csv.result.csv")[-2:]
    assert [row[3:] for row in csv.reader(refused, delimiter=";")] == [
        ["'=2+2", "'@P", DUE, "-5"],
        ["C-2", "P", DUE, "'=5"],
    ]


def test_what_an_older_version_sent_is_told_as_that_and_not_as_erased(tmp_path: Path) -> None:
    """R23: nothing else is sent in its place."""
    house = House.make(
        tmp_path,
        {each: {"payment_flow": "instant", "delimiter": ";"} for each in ("agua", "gas", "sol")},
    )
    key = {"customer_id": "=1+1", "product_id": "'quoted'", "due_date": DUE}
    paid = [event_of(each, 0, channel='=A;"1"', **key) for each in ("agua", "gas", "sol")]
    debts = csv_of([HEADER, (*key.values(), "1000")], ";")
    house.load(*(Deposit(each, debts) for each in ("agua", "gas", "sol")), events=paid)
    with warehouse.connect(house.home) as connection:
        files = outgoing.read_undelivered(connection)
    with ledger.open_batch(house.home) as batch:
        for file in files:
            content = file.content
            if file.organization_id != "sol" or not file.is_final:
                content = content.replace(b"'=", b"=")
            if file.organization_id == "gas":
                content = content.replace(b".00;", b";")
            outcome = "taken_unread" if file.organization_id == "sol" else "delivered"
            batch.note_outcomes((dataclasses.replace(file, content=content), outcome, None, False))
    assert _republish(house, "agua") == (
        "saldo: what agua was sent for 2026-03-01 is of an older version of Saldo, which put no"
        " apostrophe before what a spreadsheet would run as a formula: nothing else is sent in its"
        " place\n"
    )
    assert _republish(house, "gas") == (
        "saldo: what gas was sent for 2026-03-01 is of an older version of Saldo, which wrote it in"
        " other bytes: nothing else is sent in its place\n"
    )
    # An answer in another form keeps back no payments file. There is no server to take either.
    assert "no_credentials" in _republish(house, "sol")


def _republish(house: House, organization_id: str) -> str:
    result = run_module(
        "orchestration",
        ("republish", organization_id, "2026-03-01"),
        {**os.environ, **house.home.environment()},
    )
    assert result.returncode == 1
    return result.stdout + result.stderr
