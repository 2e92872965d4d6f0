"""What was mangled before it was sent is noticed, and takes no debt away (R5, R12, R15)."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.contracts.organizations import read_organizations
from orchestration.contracts.tables import ContractError
from tests.orchestration.houses import Deposit, House, csv_of, xlsx_of
from tests.orchestration.oracle import text_of_rut

DUE = "2026-12-05"
# Numbers that are by bad luck somebody else's RUT when their own check digit is left out.
UNLUCKY = [
    number
    for number in range(13_656_000, 13_656_400)
    if text_of_rut(number // 10) == f"{number // 10}-{number % 10}"
][:3]
# A debt of an organization, and how a program wrote it that takes ids for numbers.
FLOATS = [
    ("4512", "77001", DUE, "1000"),
    ("4512.0", "77001", DUE, "1000"),
    ("4512", "77001,0", DUE, "1000"),
]

# Customers and products, some by the word of a program for none.
WORDS = [("NULL", "P-1"), ("C-1", "(null)"), ("Null", "P-3")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Organizations whose files went through a spreadsheet or a program that wrote ids as floats
    or none as a word, have currencies in their rows, or check digits in a column.
    """
    contracts = {
        "folios": {"max_rejected_share": "0.5"},
        "mixed": {"customer_id_scheme": "rut"},
        "digits": {"customer_id_scheme": "rut"},
        "floats": {"update_mode": "upsert"},
        "float_ruts": {"customer_id_scheme": "rut"},
        "words": {},
    }
    house = House.make(tmp_path_factory.mktemp("mangled"), contracts)
    folios = ("cliente", "folio", "vencimiento", "monto")
    exact = [("C-1", f"12345678901{number}", DUE, "1000") for number in range(4)]
    house.load(
        Deposit("folios", csv_of([folios, *exact])),
        Deposit("floats", csv_of([folios, *FLOATS[:1]])),
    )
    mixed = [
        (text_of_rut(7_000_000 + number), f"A-{number}", DUE, "1000", currency)
        for number, currency in enumerate(["CLP", "UF", "USD", ""])
    ]
    digits = [
        (str(number), text_of_rut(number)[-1], f"P-{number}", DUE, "1000") for number in UNLUCKY
    ]
    # Without its digit, it would be another person.
    digits.append((str(UNLUCKY[0]), "", "P", DUE, "1000"))
    digits.append((f"{UNLUCKY[0]}.0", text_of_rut(UNLUCKY[0])[-1], "P", DUE, "1000"))
    house.load(
        Deposit("folios", csv_of([folios, *exact[:3], ("C-1", "1,23457E+11", DUE, "1000")])),
        Deposit("floats", csv_of([folios, *FLOATS])),
        Deposit("words", csv_of([folios, *((*ids, DUE, "1000") for ids in WORDS)])),
        Deposit("words", csv_of([folios, ("C-1", "None", DUE, "1000")]), "payments"),
        Deposit("words", xlsx_of([("Identificador", "Nombre"), ("NaN", "Nadie")]), "customers"),
        Deposit("float_ruts", csv_of([folios, ("8516684.0", "P", DUE, "1000")])),
        Deposit("mixed", csv_of([("rut", "producto", "vencimiento", "monto", "Moneda"), *mixed])),
        Deposit("digits", csv_of([("rut", "DV", "producto", "vencimiento", "monto"), *digits])),
        Deposit(
            "digits",
            xlsx_of(
                [
                    ("RUT", "Dígito verificador", "Nombre"),
                    (UNLUCKY[0], text_of_rut(UNLUCKY[0])[-1], "Ana"),
                    (text_of_rut(7_654_321), "x", "Eva"),
                    (UNLUCKY[1], None, "Nadie"),
                    ("8516684.0", None, "Nadie"),
                ]
            ),
            "customers",
        ),
    )
    return house


def test_each_mangled_row_has_its_code(house: House) -> None:
    assert house.refused_rows() == [
        ("digits", "customers", 3, "invalid_rut"),
        ("digits", "customers", 4, "invalid_rut"),
        ("digits", "customers", 5, "inexact_id"),
        ("digits", "invoices", 2 + len(UNLUCKY), "invalid_rut"),
        ("digits", "invoices", 3 + len(UNLUCKY), "inexact_id"),
        ("float_ruts", "invoices", 2, "inexact_id"),
        ("floats", "invoices", 3, "inexact_id"),
        ("floats", "invoices", 4, "inexact_id"),
        ("folios", "invoices", 5, "inexact_id"),
        ("mixed", "invoices", 3, "other_currency"),
        ("mixed", "invoices", 4, "other_currency"),
        ("words", "customers", 2, "missing_customer_id"),
        ("words", "invoices", 2, "missing_customer_id"),
        ("words", "invoices", 3, "missing_product_id"),
        ("words", "payments", 2, "missing_product_id"),
    ]


def test_an_id_in_scientific_notation_makes_no_debt_and_takes_none_away(house: House) -> None:
    assert house.query(
        "select product_id, status, kept_because from debts where organization_id = 'folios'"
        " order by all"
    ) == [
        ("123456789010", "pending", None),
        ("123456789011", "pending", None),
        ("123456789012", "pending", None),
        ("123456789013", "pending", "rejected_row"),
    ]


def test_an_id_that_a_program_wrote_as_a_float_makes_no_second_debt(house: House) -> None:
    assert house.query(
        "select organization_id, customer_id, product_id, status from debts"
        " where organization_id like 'float%'"
    ) == [("floats", "4512", "77001", "pending")]


def test_the_word_of_a_program_for_no_id_makes_no_debt(house: House) -> None:
    assert house.query(
        "select customer_id, product_id from debts where organization_id = 'words'"
    ) == [("Null", "P-3")]


def test_an_amount_in_another_currency_is_no_debt_and_in_no_sum(house: House) -> None:
    assert house.query(
        "select product_id, amount, attributes from debts where organization_id = 'mixed'"
        " order by all"
    ) == [("A-0", 1000, None), ("A-3", 1000, None)]
    assert house.query(
        "select accepted_amount, rejected_amount, unidentified_count from intake_files"
        " where organization_id = 'mixed'"
    ) == [(2000, 0, 0)]


def test_a_rut_with_its_check_digit_in_another_column_is_its_own_person(house: House) -> None:
    owners = [text_of_rut(number) for number in UNLUCKY]
    assert house.query(
        "select customer_id from debts where organization_id = 'digits' order by all"
    ) == [(owner,) for owner in sorted(owners)]
    assert house.query("select customer_id, name from customers") == [(owners[0], "Ana")]


@pytest.mark.parametrize("currency", ["UF", "XAU", "UFX", "clp"])
def test_a_contract_in_a_currency_that_cannot_be_handled_is_wrong(
    tmp_path: Path, currency: str
) -> None:
    with pytest.raises(ContractError, match=f"column currency: '{currency}' is not allowed"):
        read_organizations(House.make(tmp_path, {"agua": {"currency": currency}}).home.seeds)
