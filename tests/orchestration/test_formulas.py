"""What a spreadsheet would run is sent with an apostrophe before it, and comes back as what it was
(R1, R19, R22).
"""

from __future__ import annotations

import csv
from pathlib import Path

from orchestration import outgoing, warehouse
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
    assert [line.split(";")[3:] for line in refused] == [
        ["'=2+2", "'@P", DUE, "-5"],
        ["C-2", "P", DUE, "'=5"],
    ]
