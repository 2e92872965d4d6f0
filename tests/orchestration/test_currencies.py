"""Amounts have the decimals of their currency, from the debts file to the payments file (R12)."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal

import pytest

from orchestration.contracts.currencies import CURRENCIES, decimals_of, in_form
from orchestration.delivery import outgoing
from orchestration.installation import warehouse
from orchestration.installation.row_views import row_tables, select_list
from tests.orchestration.houses import Deposit, House, csv_of, event_of

DUE = "2026-03-31"
HEADER = ("cliente", "producto", "vencimiento", "monto", "moneda")
UF = [
    ("C-1", "P-1", DUE, "0,1234", "UF"),
    ("C-2", "P-2", DUE, "1.012,5", "CLF"),
    ("C-3", "P-3", DUE, "2,5340", ""),
    ("C-4", "P-4", DUE, "0,12345", "UF"),
    ("C-5", "P-5", DUE, "1000", "$"),
    ("C-6", "P-6", DUE, "2,534", "UF"),
]
PESOS = [("C-1", "P-1", DUE, "1000,5", "$"), ("C-2", "P-2", DUE, "0,1234", "$")]
MOST_DIGITS = 14
THOUSANDS = 3


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """An organization of UF beside one of pesos, with debts that were paid and given back."""
    form = {"delimiter": ";", "decimal_separator": ",", "payment_flow": "instant"}
    house = House.make(
        tmp_path_factory.mktemp("currencies"),
        {"uf": {**form, "currency": "CLF"}, "pesos": {**form, "currency": "CLP"}},
    )
    paid = [
        ("uf", 1, {"amount": "0.1234", "currency": "CLF"}),
        ("uf", 2, {"amount": 1012.5, "currency": "CLF"}),
        ("uf", 3, {"amount": "2.53401", "currency": "CLF"}),
        ("pesos", 1, {"amount": "1000.5"}),
        ("pesos", 2, {"amount": "1000.125"}),
    ]
    house.load(
        Deposit("uf", csv_of([HEADER, *UF], ";")),
        Deposit("pesos", csv_of([HEADER, *PESOS], ";")),
        events=[_event(*each, event_id=f"paid-{each[0]}-{each[1]}") for each in paid],
    )
    given_back = {"amount": "12.0001", "currency": "CLF", "status": "reversed"}
    house.load(
        Deposit("uf", csv_of([HEADER[:4], ("C-3", "P-3", DUE, "2,5340")], ";"), "payments"),
        events=[_event("uf", 2, given_back, event_id="back-1", occurred_at="2026-03-02T09:00:00Z")],
    )
    return house


def _event(
    organization_id: str, number: int, fields: dict[str, object], **more: object
) -> dict[str, object]:
    key = {"customer_id": f"C-{number}", "product_id": f"P-{number}", "due_date": DUE}
    return event_of(organization_id, number, **key, **fields, **more)


def _sent(house: House, organization_id: str, name: str) -> bytes:
    with warehouse.connect(house.home) as connection:
        (file,) = [
            each
            for each in outgoing.read_undelivered(connection)
            if (each.organization_id, each.file_name) == (organization_id, name)
        ]
    return file.content


def test_a_debt_has_its_amount_to_the_last_decimal_and_is_told_in_the_same_form(
    house: House,
) -> None:
    assert house.query(
        "select organization_id, product_id, amount, currency, status from debts order by all"
    ) == [
        ("pesos", "P-1", Decimal("1000.5"), "CLP", "paid"),
        ("uf", "P-1", Decimal("0.1234"), "CLF", "paid"),
        ("uf", "P-2", Decimal("1012.5"), "CLF", "paid"),
        ("uf", "P-3", Decimal("2.534"), "CLF", "paid"),
    ]
    assert _sent(house, "uf", "2026-03-01_toku_payments.csv").decode().splitlines() == [
        "customer_id;product_id;due_date;channel;amount;payment_id;date",
        "C-1;P-1;2026-03-31;Webpay;0,1234;pay-1;2026-03-01",
        "C-2;P-2;2026-03-31;Webpay;1012,5000;pay-2;2026-03-01",
    ]
    assert _sent(house, "uf", "2026-03-02_toku_payments.csv").decode().splitlines()[1:] == [
        "C-2;P-2;2026-03-31;Webpay;-12,0001;pay-2;2026-03-02"
    ]
    assert _sent(house, "pesos", "2026-03-01_toku_payments.csv").decode().splitlines()[1:] == [
        "C-1;P-1;2026-03-31;Webpay;1000,50;pay-1;2026-03-01"
    ]


def test_totals_and_answers_have_the_decimals_of_the_currency(house: House) -> None:
    manifests = {
        each: json.loads(_sent(house, each, "2026-03-01_toku_payments.json"))["totals"]
        for each in ("uf", "pesos")
    }
    assert {each: [total["amount"] for total in manifests[each]] for each in manifests} == {
        "uf": ["1012.6234"],
        "pesos": ["1000.50"],
    }
    amounts = {
        each: re.findall(
            r"^monto_\w+;(.*)$",
            _sent(house, each, "2026-03-01_toku_invoices.csv.summary.csv").decode(),
            re.MULTILINE,
        )
        for each in ("uf", "pesos")
    }
    assert amounts == {
        "uf": ["1015,1574", "1015,1574", "0,0000"],
        "pesos": ["1000,50", "1000,50", "0,00"],
    }


def test_an_amount_with_more_decimals_than_its_currency_is_refused_and_never_rounded(
    house: House,
) -> None:
    assert house.query(
        """
        select files.organization_id, line_number, rejections.code
        from intake_rejections as rejections inner join intake_files as files using (file_id)
        order by all
        """
    ) == [
        ("pesos", 3, "invalid_amount"),
        ("uf", 5, "invalid_amount"),
        ("uf", 6, "other_currency"),
        ("uf", 7, "invalid_amount"),
    ]
    assert house.query(
        "select line_number, code, message from refused_event_lines order by all"
    ) == [
        (3, "invalid_amount", "amount is not a number of at most four decimals"),
        (5, "invalid_amount", "amount is not a number of at most two decimals"),
    ]


def test_base_and_money_add_up_to_the_last_decimal(house: House) -> None:
    assert house.query(
        """
        select
            business_date, new_amount, paid_amount, closing_amount, received_amount,
            published_amount, closing_held_amount
        from daily_balance where organization_id = 'uf' order by business_date
        """
    ) == [
        (
            house.loaded_at.date().replace(day=1),
            *map(Decimal, ("1015.1574", "1012.6234", "2.534", "1012.6234", "1012.6234", "0")),
        ),
        (
            house.loaded_at.date(),
            *map(Decimal, ("0", "2.534", "0", "-12.0001", "-12.0001", "0")),
        ),
    ]


def _read(text: str, decimals: int) -> Decimal | None:
    """An amount with a decimal point, read by the rules and not as the models do it."""
    found = re.fullmatch(r"(-?)([0-9,]+)(?:\.([0-9]+))?(-?)", text)
    if found is None or (found[1] and found[4]):
        return None
    whole, fraction = found[2], found[3] or ""
    if "," in whole and f"{int(whole.replace(',', '')):,}" != whole:
        return None
    if (
        len(fraction.rstrip("0")) > decimals
        or len(whole.replace(",", "").lstrip("0")) > MOST_DIGITS
    ):
        return None
    # What may be thousands.
    if len(fraction) == THOUSANDS != decimals:
        return None
    amount = Decimal(f"{whole.replace(',', '')}.{fraction or 0}")
    return -amount if found[1] or found[4] else amount


def _draw(chance: random.Random) -> str:
    whole = str(chance.randrange(10 ** chance.choice([1, 2, 4, 7, 14, 15])))
    if chance.random() < 0.4:
        whole = f"{int(whole):,}"
    digits = chance.choice(["0", "05", "0123456789"])
    fraction = "".join(
        chance.choice(digits) for _ in range(chance.choice([1, 2, 2, 3, 3, 4, 5, 7]))
    )
    text = whole + (f".{fraction}" if chance.random() < 0.8 else "")
    if chance.random() < 0.3:
        text = chance.choice([f"-{text}", f"{text}-", f"-{text}-"])
    if chance.random() < 0.1:
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice([",", ".", "-", " ", "x", "0"]) + text[place:]
    return text


@pytest.mark.parametrize("separator", [".", ","])
@pytest.mark.parametrize("currency", ["CLP", "CLF", "KWD"])
def test_any_text_is_read_as_the_amount_that_the_rules_say_or_not_at_all(
    house: House, currency: str, separator: str
) -> None:
    chance = random.Random(f"{currency}{separator}")
    texts = sorted({_draw(chance) for _ in range(2000)})
    shown = [
        text.translate(str.maketrans(".,", f"{separator}{',' if separator == '.' else '.'}"))
        for text in texts
    ]
    with warehouse.connect(house.home) as connection:
        connection.execute("begin")
        connection.execute(
            "update raw.intake_files set currency = ?, decimal_separator = ?"
            " where organization_id = 'uf' and load_id = 1 and kind = 'invoices'",
            [currency, separator],
        )
        connection.execute(
            "create table raw.texts as"
            " select file_id, unnest(range(len($texts))) as number, unnest($texts) as amount"
            " from raw.intake_files"
            " where organization_id = 'uf' and load_id = 1 and kind = 'invoices'",
            {"texts": shown},
        )
        columns = {"file_id": "file_id", "line_number": "number", "amount": "amount"}
        selected = select_list(row_tables()["invoices"], columns)
        connection.execute(
            f"create or replace view raw.invoices as select 1 as load_id, {selected} from raw.texts"
        )
        found = connection.execute(
            "select amount from staging.stg_intake__invoices order by line_number"
        ).fetchall()
        connection.execute("rollback")
    read = {text: _read(text.strip(" "), decimals_of(currency)) for text in texts}
    assert dict(zip(texts, (row[0] for row in found), strict=True)) == read
    assert 300 < sum(amount is not None for amount in read.values()) < len(texts) - 300


def test_the_decimals_of_currencies_are_those_of_iso_4217_and_two_at_least() -> None:
    more = {each: decimals_of(each) for each in CURRENCIES if decimals_of(each) > 2}
    assert more == {
        **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
        **dict.fromkeys(("CLF", "UYW"), 4),
    }
    assert {decimals_of(each) for each in CURRENCIES - more.keys()} == {2}


def test_a_sum_is_shown_with_the_decimals_of_its_currency() -> None:
    assert [str(in_form(Decimal("1.5000"), each)) for each in ("CLP", "KWD", "CLF", "")] == [
        "1.50",
        "1.500",
        "1.5000",
        "1.50",
    ]
