"""The first page of the console."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page

from orchestration.pages import today
from tests.orchestration.consoles import (
    PAYMENTS_WITHOUT_CONTRACT,
    REFUSED_EVENT_LINES,
    REFUSED_FILES,
    UNKNOWN_STATUS,
    change_copy,
    take_picture,
)
from tests.orchestration.installations import Installed
from tests.orchestration.serving import Served, follow, serve_pages, table_rows


def test_the_first_page_says_what_each_organization_needs_and_leads_there(
    served: Served, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{served.address}/?language=en")
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-03"
    take_picture(page, "today", tmp_path)
    assert page.locator(".message").inner_text() == "2 of 3 organizations need something."
    needs = [" ".join(need.split()) for need in page.locator(".needs li").all_inner_texts()]
    assert [re.sub(r"since .* UTC \(days: 0\)", "since then", need) for need in needs] == [
        "Colegio Pehuén: Files held: 1. See it and decide",
        "Colegio Pehuén: Open exceptions: 1, the oldest since then. See it",
        "Lumina Energía: Open exceptions: 1, the oldest since then. See it",
    ]
    assert [[*row[:6], *row[7:]] for row in table_rows(page, "table.days")] == [
        ["Colegio Pehuén", "held", "15", "0", "59", "2,795,900 CLP", "2"],
        ["Lumina Energía", "applied", "121", "1", "120", "5,600,700 CLP", "2"],
        ["Andes Seguros", "applied", "15", "0", "82", "4,294,300 CLP", "1"],
    ]
    assert page.locator("svg.small").first.get_attribute("aria-label") == "from 60 to 59"
    page.locator("summary").first.click()
    assert table_rows(page, "figure >> nth=0 >> table") == [
        ["2026-03-02", "255", "3"],
        ["2026-03-03", "259", "2"],
    ]
    follow(page.get_by_role("link", name="See it").last)
    page.wait_for_url("**/organizations/lumina#exceptions")
    page.go_back()
    follow(page.get_by_role("link", name="See it and decide"))
    assert page.get_by_role("button", name="Approve").count() == 1


def test_a_day_that_is_well_says_so_and_other_days_have_addresses(
    served: Served, page: Page
) -> None:
    page.goto(f"{served.address}/today?language=en")
    follow(page.get_by_role("link", name="2026-03-02"))
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-02"
    assert page.locator(".well").inner_text() == (
        "All is well: each of the 3 organizations sent its debts file and was told of its payments."
    )
    assert page.locator(".needs").count() == 0
    follow(page.get_by_role("link", name="The newest date"))
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-03"


def test_lines_of_events_that_could_not_be_read_are_told_though_each_organization_is_well(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(morning.home, tmp_path, REFUSED_EVENT_LINES)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?date=2026-03-02&language=en").text
        spanish = requests.get(f"{served.address}/today?date=2026-03-02").text
        other_day = requests.get(f"{served.address}/today?date=2026-03-03").text
    assert re.findall(r'<li class="(\w+)">(.*)</li>', text) == [
        (
            "refused_events",
            "Lines and files of events that could not be read: 2. The table"
            " <code>refused_event_lines</code> says which and why, and"
            " <code>docs/troubleshooting.md</code> what to do.",
        )
    ]
    assert "All is well" not in text
    assert "Líneas y archivos de eventos que no se pudieron leer: 2." in spanish
    assert "refused_event_lines" not in other_day


def test_payments_of_no_contract_are_told_though_each_organization_is_well(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(morning.home, tmp_path, PAYMENTS_WITHOUT_CONTRACT)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?date=2026-03-02&language=en").text
        next_day = requests.get(f"{served.address}/today?date=2026-03-03&language=en").text
    assert re.findall(r'<li class="(\w+)">(.*)</li>', text) == [
        (
            "payments_without_contract",
            "Payments of organizations without a contract, which are in no file: 2. The table"
            " <code>payment_exceptions</code> names them (<code>unknown_organization</code>): add"
            " the contract, or ask the processor.",
        )
    ]
    assert "All is well" not in text
    assert "which are in no file: 3." in next_day


def test_statuses_that_no_seed_lists_are_told_though_each_organization_is_well(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(morning.home, tmp_path, UNKNOWN_STATUS)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?date=2026-03-02&language=en").text
        spanish = requests.get(f"{served.address}/today?date=2026-03-02").text
    assert re.findall(r'<li class="(\w+)">(.*)</li>', text) == [
        (
            "unknown_statuses",
            "Statuses of events that no seed lists, so that their events do not count: 1. The table"
            " <code>unknown_statuses</code> names them: list each in"
            " <code>payment_statuses.csv</code> or <code>enrollment_statuses.csv</code> of the"
            " seeds, and the next run counts them.",
        )
    ]
    assert "All is well" not in text
    assert "Estados de eventos que ninguna semilla tiene" in spanish


def test_refused_files_beside_the_debts_file_are_told_until_a_later_one_settles_them(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(morning.home, tmp_path, REFUSED_FILES)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?date=2026-03-02&language=en").text
        spanish = requests.get(f"{served.address}/today?date=2026-03-02").text
        former_day = requests.get(f"{served.address}/today?date=2026-03-01").text
    told = [
        (
            f"<strong>{name}</strong>: Refused files beside the debts file of the date: {count}."
            f" The first: <code>{code}</code>",
            address,
        )
        for name, count, code, address in (
            ("Andes Seguros", 1, "missing_column", "/files/a000000000000001"),
            ("Lumina Energía", 2, "empty_file", "/files?organization=lumina"),
        )
    ]
    needs = re.findall(r'<li class="other_refused">(.*)\s+<a href="([^"]*)">See it</a>', text)
    assert needs == told
    assert "All is well" not in text
    assert "Archivos rechazados aparte del archivo de deudas de la fecha: 2. El primero:" in spanish
    assert former_day.count('<li class="other_refused">') == 1


def test_the_newest_date_says_that_later_ones_were_not_run(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(today, "utc_now", lambda: datetime(2026, 3, 6, 12, tzinfo=UTC))
    text = requests.get(f"{served.address}/today?language=en").text
    former = requests.get(f"{served.address}/today?date=2026-03-02&language=en").text
    assert re.findall(r'<li class="not_run">(.*)</li>', text) == [
        "No later date has been run; later dates whose cut-off has passed: 3."
        " <code>python -m orchestration run --date 2026-03-04</code>"
    ]
    assert re.search(r"What was known at 20\d\d-\d\d-\d\d \d\d:\d\d UTC", text)
    assert "not_run" not in former


def test_files_that_were_not_delivered_are_told_though_no_inbox_was_looked_into_on_their_date(
    morning: Installed, tmp_path: Path
) -> None:
    home = change_copy(
        morning.home,
        tmp_path,
        """
        delete from organization_days where business_date = date '2026-03-02';
        update deliveries set is_delivered = false, is_undelivered = true
        where business_date = date '2026-03-02' and organization_id <> 'colegio_pehuen';
        update deliveries set is_left_to_people = true
        where business_date = date '2026-03-02' and organization_id = 'andes_seguros';
        """,
    )
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?date=2026-03-03&language=en").text
        former = requests.get(f"{served.address}/today?date=2026-03-01&language=en").text
    (count,) = morning.query(
        "select count(*) from deliveries"
        " where organization_id = 'lumina' and business_date = date '2026-03-02'"
    )[0]
    assert count
    needs = re.findall(r'<li class="(not_delivered|left_to_people)">(.*)\s+<code>(.*)</code>', text)
    assert needs == [
        (
            "not_delivered",
            f"<strong>Lumina Energía</strong>: Files not delivered: {count}.",
            "python -m orchestration run --date 2026-03-03",
        ),
        (
            "left_to_people",
            f"<strong>Andes Seguros</strong>: Files that the receiver may have or not: {count}."
            " Ask; if they are not there, send them again.",
            "python -m orchestration republish andes_seguros 2026-03-02",
        ),
    ]
    assert "not_delivered" not in former


# Of Tuesday only one organization has been looked into, and no file waits.
BEFORE_THE_OTHERS = """
delete from organization_days
where business_date = date '2026-03-03' and organization_id <> 'andes_seguros';
update intake_files set status = 'applied' where status = 'held';
"""


def test_before_the_cut_off_of_some_organizations_not_all_is_said_to_be_well(
    morning: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(today, "utc_now", lambda: datetime(2026, 3, 3, 7, tzinfo=UTC))
    home = change_copy(morning.home, tmp_path, BEFORE_THE_OTHERS)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?language=en").text
    assert re.findall(r'<p class="well">(.*)</p>', text) == [
        "All is well so far: organizations that sent their debts file and were told of their"
        " payments: 1; not due yet: 2."
    ]


def test_what_is_open_of_an_organization_is_told_before_its_cut_off_too(
    morning: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(today, "utc_now", lambda: datetime(2026, 3, 3, 7, tzinfo=UTC))
    opened = """
    update organization_days set
        overdue_payment_count = 4,
        open_exception_count = 5,
        oldest_exception_at = timestamp '2026-03-01 12:00:00'
    where business_date = date '2026-03-02' and organization_id = 'lumina'
    """
    home = change_copy(morning.home, tmp_path, BEFORE_THE_OTHERS + opened)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/today?language=en").text
    assert re.findall(r'<li class="(\w+)"><strong>(.*)</strong>: (.*)', text) == [
        ("too_long", "Lumina Energía", "Payments in process for too long: 4."),
        (
            "exceptions",
            "Lumina Energía",
            "Open exceptions: 5, the oldest since 2026-03-01 12:00 UTC (days: 2).",
        ),
    ]


def test_a_date_on_which_nothing_was_run_says_how_to_run_it(served: Served, page: Page) -> None:
    page.goto(f"{served.address}/today?date=2026-02-27&language=en")
    needs = [" ".join(need.split()) for need in page.locator(".needs li").all_inner_texts()]
    run = "python -m orchestration run --date 2026-02-27"
    assert needs == [
        f"{name}: Its inbox has not been looked into for this date. {run}"
        for name in ("Andes Seguros", "Colegio Pehuén", "Lumina Energía")
    ]


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "2026-03-02'--"])
def test_what_is_no_date_is_refused(served: Served, text: str) -> None:
    answer = requests.get(f"{served.address}/today", params={"date": text})
    assert answer.status_code == 400
    assert "Eso no es una fecha; una es 2026-03-02." in answer.text
