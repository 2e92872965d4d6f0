"""The organizations in the console."""

from __future__ import annotations

from pathlib import Path

import requests
from playwright.sync_api import Page

from tests.orchestration.consoles import (
    take_picture,
)
from tests.orchestration.serving import Served, follow, table_rows


def test_the_list_of_organizations_leads_to_what_waits(served: Served, page: Page) -> None:
    page.goto(f"{served.address}/organizations?language=en")
    assert table_rows(page, "table.organizations") == [
        ["Andes Seguros", "82", "4,294,300 CLP", "2026-03-03", "applied", "0"],
        ["Colegio Pehuén", "59", "2,795,900 CLP", "2026-03-03", "held", "1"],
        ["Lumina Energía", "120", "5,600,700 CLP", "2026-03-03", "applied", "0"],
    ]
    follow(page.get_by_role("link", name="1", exact=True))
    assert [row[1:5] for row in table_rows(page, "table.files")] == [
        ["colegio_pehuen", "2026-03-03_toku_invoices.csv", "debts", "held too_many_withdrawals"],
        ["colegio_pehuen", "2026-03-02_toku_invoices.csv", "debts", "applied"],
    ]


def test_an_organization_shows_its_base_its_payments_and_its_contract(
    served: Served, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{served.address}/organizations?language=en")
    follow(page.get_by_role("link", name="Lumina Energía"))
    assert [" ".join(each.split()) for each in page.locator(".counts li").all_inner_texts()] == [
        "119 pending 5,569,300 CLP",
        "1 in process 31,400 CLP",
        "2 paid 125,600 CLP",
        "5 withdrawn 163,900 CLP",
    ]
    take_picture(page, "organization", tmp_path)
    for summary in page.locator("summary").all():
        summary.click()
    titles = page.locator("figcaption").all_inner_texts()
    tables = {
        title: table_rows(page, f"figure >> nth={place} >> table")
        for place, title in enumerate(titles)
    }
    assert tables == {
        "Debts in the base when each day ended": [
            ["2026-03-02", "117", "3"],
            ["2026-03-03", "119", "1"],
        ],
        "What is owed, by age (CLP)": [
            ["not due yet", "5,600,700"],
            ["1 to 30 days overdue", "0"],
            ["31 to 60 days overdue", "0"],
            ["61 to 90 days overdue", "0"],
            ["more than 90 days overdue", "0"],
        ],
        "What was paid, by channel and day (CLP)": [
            ["2026-03-01", "0", "45,100"],
            ["2026-03-02", "80,500", "0"],
        ],
        "Recovery by week of due date (CLP)": [
            ["2026-03-02", "0", "185,400"],
            ["2026-03-09", "0", "1,019,200"],
            ["2026-03-16", "0", "850,500"],
            ["2026-03-23", "0", "1,478,600"],
            ["2026-03-30", "0", "1,324,600"],
            ["2026-04-06", "125,600", "742,400"],
        ],
        "The oldest payment in process of each channel, in business days": [
            ["Cargo en cuenta (PAC)", "2"]
        ],
    }
    assert table_rows(page, "table.in-process") == [
        ["Cargo en cuenta (PAC)", "1", "31,400 CLP", "2", "3", "0"]
    ]
    assert table_rows(page, "table.exceptions") == [
        ["2026-03-03", "listed_after_paid", "pay-0004", "LUZ-004", "45,100 CLP"]
    ]
    assert [row[:8] for row in table_rows(page, "table.balances")] == [
        ["2026-03-03", "120", "6", "0", "1", "5", "0", "120"],
        ["2026-03-02", "0", "121", "0", "1", "0", "0", "120"],
    ]
    assert page.locator(".contract li").first.inner_text() == (
        "Its debts file is called YYYY-MM-DD_toku_invoices.csv and is due at 05:00"
        " (America/Santiago)."
    )
    assert (
        "A debts file replaces the base; one that would withdraw more than 50% of the pending debts"
        " is held."
    ) in page.locator(".contract li").all_inner_texts()


def test_an_organization_without_a_contract_is_none(served: Served) -> None:
    answer = requests.get(f"{served.address}/organizations/..%2fx")
    assert answer.status_code == 404
