"""Finding a debt in the console, and its life."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page

from tests.orchestration.consoles import (
    FORM_TOKEN,
    HOSTILE,
    change_copy,
    debt_id_of,
    search,
    take_picture,
)
from tests.orchestration.installations import Installed
from tests.orchestration.serving import Served, follow, serve_pages, table_rows


@pytest.mark.parametrize(
    ("text", "products"),
    [
        ("19.153.032-2", ["LUZ-001"]),
        (" 191530322 ", ["LUZ-001"]),
        ("LUZ-015", ["LUZ-015"]),
        ("pay-0001", ["LUZ-001"]),
        (HOSTILE, [HOSTILE]),
        ("nobody", []),
        ("' or 1 = 1 --", []),
    ],
)
def test_whatever_names_a_debt_leads_to_it(
    served: Served, page: Page, text: str, products: list[str]
) -> None:
    search(page, served, text)
    found = [row[2] for row in table_rows(page, "table.debts")]
    assert found == products


def test_no_address_has_what_was_searched_for(
    served: Served, morning: Installed, page: Page
) -> None:
    """R30: a browser and a proxy keep addresses."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    search(page, served, "19.153.032-2")
    follow(page.get_by_role("link", name="LUZ-001"))
    follow(page.get_by_role("link", name="19153032-2"))
    assert [row[2] for row in table_rows(page, "table.debts")] == ["LUZ-001"]
    page.go_back()
    page.go_back()
    assert [row[2] for row in table_rows(page, "table.debts")] == ["LUZ-001"]
    assert page.get_by_role("searchbox").input_value() == "19.153.032-2"
    debt_id = debt_id_of(morning, "LUZ-001")
    of_pages = [url.removeprefix(served.address) for url in asked if "/static/" not in url]
    searched = of_pages[2]
    assert re.fullmatch(r"/find\?search=[\w-]{22}", searched)
    visited = [f"/debts/{debt_id}", f"/find?debt={debt_id}", f"/debts/{debt_id}", searched]
    assert of_pages == ["/find?language=en", "/find", searched, *visited]


@pytest.mark.parametrize(
    "query", ["search=forgotten", "debt=none", "q=LUZ-001", f"debt={'0' * 32}"]
)
def test_an_address_that_says_no_search_is_told(served: Served, query: str) -> None:
    text = requests.get(f"{served.address}/find?{query}").text
    assert "Ya no se sabe qué buscaba esta dirección." in text
    assert "<table" not in text


def test_a_search_must_come_from_the_page(served: Served) -> None:
    answer = requests.post(f"{served.address}/find", data={"q": "LUZ-001", "form_token": "x" * 43})
    assert answer.status_code == 403


def test_a_debt_tells_its_whole_life_and_why_it_is_in_the_base(
    served: Served, morning: Installed, page: Page, tmp_path: Path
) -> None:
    search(page, served, "LUZ-001")
    follow(page.get_by_role("link", name="LUZ-001"))
    assert page.get_by_role("heading", level=1).inner_text() == "Debt LUZ-001 in process"
    take_picture(page, "debt", tmp_path)
    assert page.locator(".why").inner_text() == (
        "It is in the base although the newest file does not list it as owed: its payment is"
        " in process."
    )
    moments = [moment.inner_text() for moment in page.locator(".life li div").all()]
    assert [" ".join(moment.split()) for moment in moments] == [
        "Payment pay-0001: in process, 31,400 CLP, Cargo en cuenta (PAC)."
        " It happened at 2026-03-01 13:30.",
        "The debt is in process, 31,400 CLP. Values of 2026-03-02_toku_invoices.csv, line 2."
        " Payment pay-0001.",
        "Told to the organization: en proceso de pago, 31,400 CLP, Cargo en cuenta (PAC)."
        " Payments file of 2026-03-02, line 1, payment pay-0001.",
        "The debt is in process, 31,400 CLP. Kept because its payment is in process. Values of"
        " 2026-03-02_toku_invoices.csv, line 2. Payment pay-0001.",
        "Told to the organization: en proceso de pago, 31,400 CLP, Cargo en cuenta (PAC)."
        " Payments file of 2026-03-03, line 1, payment pay-0001.",
    ]
    page.locator(".sql summary").click()
    shown = page.locator(".sql code").inner_text()
    # What the page shows is what the query gives.
    kinds = [row[1] for row in morning.query(shown)]
    assert kinds == ["payment", "version", "told", "version", "told"]


def test_each_event_of_a_payment_stands_in_the_life_of_its_debt(
    served: Served, morning: Installed, page: Page
) -> None:
    search(page, served, "LUZ-002")
    follow(page.get_by_role("link", name="LUZ-002"))
    events = [
        " ".join(each.split()) for each in page.locator(".life .payment div").all_inner_texts()
    ]
    told = morning.query(
        "select status, strftime(occurred_at, '%Y-%m-%d %H:%M') from payment_events"
        " where product_id = 'LUZ-002' order by event_number"
    )
    assert [status for status, _ in told] == ["in_process", "authorized"]
    assert [re.sub(r"^.*: (.*?), .* at (.*)\.$", r"\1 \2", event) for event in events] == [
        f"{str(status).replace('_', ' ')} {at}" for status, at in told
    ]


def test_a_refused_row_stands_in_the_life_of_its_debt(
    served: Served, morning: Installed, page: Page
) -> None:
    page.goto(f"{served.address}/debts/{debt_id_of(morning, 'LUZ-015')}")
    assert page.locator(".why").inner_text() == (
        "Está en la base con sus últimos valores buenos: el archivo más reciente la trae, en"
        " una fila que fue rechazada."
    )
    (refused,) = page.locator(".life .refused-row div").all_inner_texts()
    assert " ".join(refused.split()) == (
        "Su fila fue rechazada: invalid_amount. El monto falta, no es un número o tiene más"
        " decimales que su moneda; en UF, con tres decimales podría ser de miles: escriba los"
        " cuatro decimales. 2026-03-03_toku_invoices.csv, línea 10."
    )


def test_texts_of_an_organization_stay_texts(
    served: Served, morning: Installed, page: Page
) -> None:
    page.goto(f"{served.address}/debts/{debt_id_of(morning, HOSTILE)}")
    assert page.get_by_role("heading", level=1).inner_text().startswith(f"Deuda {HOSTILE} ")
    facts = page.locator(".facts dd").all_inner_texts()
    assert page.locator("main script, main img, main b").count() == 0
    assert facts[-1] == "'><img src=x>"


@pytest.mark.parametrize("debt_id", ["0" * 32, "..%2fx", "'--", "x" * 5000])
def test_an_address_of_no_debt_says_so(served: Served, debt_id: str) -> None:
    answer = requests.get(f"{served.address}/debts/{debt_id}")
    assert answer.status_code == 404


# Enough of each that a page does not show all of them.
MANY = """
insert into intake_files by name
select
    intake_files.* replace (
        hash(number)::varchar as file_id, 'customers' as kind, 'muchos.xlsx' as file_name
    )
from (from intake_files limit 1) as intake_files
cross join range(250) as numbers (number);
insert into payments by name
select payments.* replace (hash(number)::varchar as payment_key, 'pago' as payment_id)
from (from payments limit 1) as payments
cross join range(251) as numbers (number);
"""


def test_what_is_not_shown_of_many_is_counted(morning: Installed, tmp_path: Path) -> None:
    home = change_copy(morning.home, tmp_path, MANY)
    with serve_pages(home) as served:
        browser = requests.Session()
        match = FORM_TOKEN.search(browser.get(f"{served.address}/find?language=en").text)
        assert match is not None
        hints = [
            re.findall(
                r'<p class="hint">(.*)</p>',
                browser.post(f"{served.address}/find", {"q": text, "form_token": match[1]}).text,
            )
            for text in ("muchos.xlsx", "pago")
        ]
        uploaded = browser.get(f"{served.address}/customers?language=en").text
    assert hints == [["The first 200 of 250."], ["The first 200 of 251."]]
    assert "The newest 10; the page Files has the others." in uploaded
    assert uploaded.count("muchos.xlsx") == 10


def test_what_is_shown_whole_has_no_hint(served: Served) -> None:
    browser = requests.Session()
    match = FORM_TOKEN.search(browser.get(f"{served.address}/find?language=en").text)
    assert match is not None
    text = browser.post(f"{served.address}/find", {"q": "pay-0001", "form_token": match[1]}).text
    assert "pay-0001</td>" in text
    assert "The first" not in text
    assert "The newest 10" not in browser.get(f"{served.address}/customers").text
