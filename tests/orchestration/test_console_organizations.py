"""The organizations in the console."""

from __future__ import annotations

import re
from pathlib import Path

import requests
from playwright.sync_api import Page

from orchestration.pages.published import opened
from orchestration.pages.queries.pictures import read_pictures
from tests.orchestration.consoles import TUESDAY, change_copy, file_id_of, take_picture
from tests.orchestration.installations import Installed
from tests.orchestration.serving import Served, follow, serve_pages, table_rows


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
        "Recovery by week of due date, the last 12 weeks (CLP)": [["2026-03-02", "0", "185,400"]],
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


# A debt of each of fifteen weeks beside those of the files, the last two due after the date.
WEEK_AFTER_WEEK = """
update debts set due_date = due_date - 35 where organization_id = 'lumina';
insert into debts by name
select debts.* replace (
    hash(week)::varchar as debt_id,
    date '2025-12-01' + cast(week * 7 as integer) as due_date,
    1000 + week as amount
)
from (from debts where organization_id = 'lumina' and status = 'pending' limit 1) as debts
cross join range(16) as weeks (week)
where week <> 5
"""


def test_recovery_is_that_of_the_last_weeks_and_of_none_that_is_still_to_come(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(morning.home, tmp_path, WEEK_AFTER_WEEK)
    with opened(home) as reader:
        weeks = read_pictures(reader, ["lumina"])["lumina"].weeks
    assert [(each.week.isoformat(), each.paid_amount, each.owed_amount) for each in weeks] == [
        ("2025-12-15", 0, 1002),
        ("2025-12-22", 0, 1003),
        ("2025-12-29", 0, 1004),
        ("2026-01-12", 0, 1006),
        ("2026-01-19", 0, 1007),
        ("2026-01-26", 0, 185_400 + 1008),
        ("2026-02-02", 0, 1_019_200 + 1009),
        ("2026-02-09", 0, 850_500 + 1010),
        ("2026-02-16", 0, 1_478_600 + 1011),
        ("2026-02-23", 0, 1_324_600 + 1012),
        ("2026-03-02", 125_600, 742_400 + 1013),
    ]


# Two contracts have another currency now. No file in it has been applied, one is held.
CHANGED_CURRENCIES = """
update organizations set currency = 'USD' where organization_id <> 'andes_seguros';
update intake_files set currency = 'USD' where status = 'held';
"""


def test_until_a_file_in_another_currency_is_applied_debts_are_shown_in_theirs(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(morning.home, tmp_path, CHANGED_CURRENCIES)
    held = file_id_of(morning, "colegio_pehuen", TUESDAY)
    with serve_pages(home) as served:
        listed, lumina, file = (
            requests.get(f"{served.address}/{path}?language=en").text
            for path in ("organizations", "organizations/lumina", f"files/{held}")
        )
    assert re.findall(r'<td class="number">([\d,]+ \w+)</td>', listed) == [
        "4,294,300 CLP",
        "2,795,900 CLP",
        "5,600,700 CLP",
    ]
    assert re.findall(r"<li><b>(\d+)</b> ([\w ]+)<br>(.*)</li>", lumina) == [
        ("119", "pending", "5,569,300 CLP"),
        ("1", "in process", "31,400 CLP"),
        ("2", "paid", "125,600 CLP"),
        ("5", "withdrawn", "163,900 CLP"),
    ]
    assert "What is owed, by age (CLP)" in lumina
    assert "No debts file of it has been applied" not in lumina
    assert "The base has 59 debts now, 2,795,900 CLP;" in file


def test_debts_that_are_all_in_another_currency_are_not_said_to_be_none(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(
        morning.home, tmp_path, "update debts set currency = 'USD' where organization_id = 'lumina'"
    )
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/organizations/lumina?language=en").text
    assert "120 debts of the base are in another currency than CLP" in text
    assert "No debts file of it has been applied" not in text


def test_an_organization_without_a_contract_is_none(served: Served) -> None:
    answer = requests.get(f"{served.address}/organizations/..%2fx")
    assert answer.status_code == 404
