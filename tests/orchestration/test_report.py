"""The report of a business date: one file that needs nothing else and tells nobody's data.

Two days of the sample organizations were run. On the second the school's file is held.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page

from orchestration.delivery import published_copy
from orchestration.installation.home import PROJECT, Home
from orchestration.pages import report as reports
from tests.orchestration.consoles import (
    PAYMENTS_WITHOUT_CONTRACT,
    REFUSED_EVENT_LINES,
    change_copy,
)
from tests.orchestration.installations import Installed, install
from tests.orchestration.serving import open_browser, open_window, table_rows

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with install(tmp_path_factory.mktemp("report"), Installed, days=2) as installed:
        yield installed


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with open_browser(chromium) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that asks for nothing but the file, and complains of nothing."""
    troubles: list[str] = []
    page = open_window(browser, troubles)
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith(("file:", "data:")) else troubles.append(asked.url)
        ),
    )
    yield page
    page.context.close()
    assert troubles == []


def _texts(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


def test_each_run_leaves_the_report_of_its_date_for_this_user_alone(installed: Installed) -> None:
    written = {path.name: stat.S_IMODE(path.stat().st_mode) for path in _reports(installed)}
    assert written == {"2026-03-02.html": 0o600, "2026-03-03.html": 0o600}
    assert stat.S_IMODE(installed.home.reports.stat().st_mode) == 0o700


def _reports(installed: Installed) -> list[Path]:
    return sorted(installed.home.reports.iterdir())


def test_the_command_writes_what_the_run_wrote_and_says_where(installed: Installed) -> None:
    path = installed.home.reports / "2026-03-03.html"
    by_the_run = path.read_bytes()
    path.unlink()
    for arguments in (("--date", "2026-03-03"), ()):
        done = installed.command("report", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
        assert path.read_bytes() == by_the_run


def test_a_report_shows_the_day_and_the_pictures_of_each_organization(
    installed: Installed, page: Page, tmp_path: Path
) -> None:
    assert installed.command("report", "--language", "en").returncode == 0
    page.goto((installed.home.reports / "2026-03-03.html").as_uri())
    assert _texts(page, "h1") == [
        "The day 2026-03-03",
        "Colegio Pehuén",
        "Lumina Energía",
        "Andes Seguros",
    ]
    needs = [
        re.sub(r"since .* UTC \(days: 0\)", "since then", need)
        for need in _texts(page, ".needs li")
    ]
    assert needs == [
        "Colegio Pehuén: Files held: 1.",
        "Colegio Pehuén: Open exceptions: 1, the oldest since then.",
        "Lumina Energía: Open exceptions: 1, the oldest since then.",
    ]
    assert [row[:6] for row in table_rows(page, "table.days")] == [
        ["Colegio Pehuén", "held", "15", "0", "59", "2,795,900 CLP"],
        ["Lumina Energía", "applied", "120", "1", "119", "5,599,700 CLP"],
        ["Andes Seguros", "applied", "15", "0", "82", "4,294,300 CLP"],
    ]
    assert _texts(page, "#lumina figcaption") == [
        "Debts in the base when each day ended",
        "What is owed, by age (CLP)",
        "What was paid, by channel and day (CLP)",
        "Recovery by week of due date, the last 12 weeks (CLP)",
        "The oldest payment in process of each channel, in business days",
    ]
    assert table_rows(page, "#lumina table.in-process") == [
        ["Cargo en cuenta (PAC)", "1", "31,400 CLP", "2", "3", "0"]
    ]
    assert [row[0] for row in table_rows(page, "#lumina table.balances")] == [
        "2026-03-03",
        "2026-03-02",
    ]
    page.get_by_role("link", name="Lumina Energía").click()
    page.wait_for_url("**/2026-03-03.html#lumina")
    # On paper each organization begins a sheet.
    page.emulate_media(media="print")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('#lumina')).breakBefore") == "page"
    )
    page.screenshot(path=tmp_path / "report.png", full_page=True)


def test_a_report_is_spanish_unless_english_is_asked_for(installed: Installed, page: Page) -> None:
    reports.write(installed.home, MONDAY)
    page.goto((installed.home.reports / "2026-03-02.html").as_uri())
    assert _texts(page, "h1")[0] == "El día 2026-03-02"
    assert page.locator("html").get_attribute("lang") == "es"


def test_a_past_date_is_told_as_it_ended(installed: Installed, page: Page) -> None:
    reports.write(installed.home, MONDAY, "en")
    page.goto((installed.home.reports / "2026-03-02.html").as_uri())
    known = installed.query(
        "select organization_id, pending_count, in_process_count, paid_count"
        f" from organization_days where business_date = '{MONDAY}'"
    )
    shown = {
        (organization_id, *(_count(page, str(organization_id), word) for word in words))
        for words in [("pending", "in process", "paid")]
        for organization_id, *_ in known
    }
    assert shown == set(known)
    assert [row[0] for row in table_rows(page, "#lumina table.balances")] == ["2026-03-02"]
    page.locator("#lumina summary").first.click()
    assert table_rows(page, "#lumina figure >> nth=0 >> table") == [["2026-03-02", "116", "3"]]
    assert (
        "How long payments take is known as it is now: the page of the organization has it."
        in _texts(page, "#lumina p")
    )


def _count(page: Page, organization_id: str, word: str) -> int:
    for text in _texts(page, f"#{organization_id} .counts li"):
        if f" {word} " in text:
            return int(text.split()[0].replace(",", ""))
    return 0


def test_a_report_needs_nothing_else_and_runs_nothing(installed: Installed) -> None:
    reports.write(installed.home, TUESDAY)
    html = (installed.home.reports / "2026-03-03.html").read_text()
    assert set(re.findall(r'(?:href|src)="([^"]*)"', html)) == {
        "data:,",
        "#andes_seguros",
        "#colegio_pehuen",
        "#lumina",
    }
    assert re.findall(r"<script|<form|<iframe|@import|url\(|https?:", html) == []
    assert "default-src 'none'" in html


def test_no_person_and_no_name_of_a_file_is_in_a_report(installed: Installed) -> None:
    reports.write(installed.home, TUESDAY)
    html = (installed.home.reports / "2026-03-03.html").read_text()
    secret = {
        str(text)
        for sql in (
            "select customer_id from debts",
            "select product_id from debts",
            "select debt_id from debts",
            "select payment_id from payments",
            "select file_name from intake_files",
            "select unnest(json_extract_string(attributes, '$.*')) from debts"
            " where attributes is not null",
        )
        for (text,) in installed.query(sql)
        if text and len(str(text)) > 5
    }
    assert len(secret) > 300
    assert {text for text in secret if text in html} == set()


def test_what_a_channel_is_called_tells_no_person(installed: Installed, tmp_path: Path) -> None:
    home = change_copy(
        installed.home,
        tmp_path,
        "update payments_file_lines set channel = 'caja de 12.345.678-5, ana@correo.cl <b>'",
    )
    html = reports.write(home, TUESDAY).path.read_text()
    assert "caja de [rut], [mail] &lt;b&gt;" in html
    assert "12.345.678-5" not in html
    assert "ana@correo.cl" not in html


def test_lines_of_events_that_could_not_be_read_are_counted_and_not_named(
    installed: Installed, tmp_path: Path
) -> None:
    home = change_copy(installed.home, tmp_path, REFUSED_EVENT_LINES)
    written = reports.write(home, MONDAY)
    html = written.path.read_text()
    assert "Líneas y archivos de eventos que no se pudieron leer: 2." in html
    assert "c.jsonl" not in html
    assert written.summarize().splitlines()[0] == "- refused events (2)"
    assert "refused_event_lines" not in reports.write(home, TUESDAY).path.read_text()


def test_payments_of_no_contract_are_counted_and_not_named_while_they_are_open(
    installed: Installed, tmp_path: Path
) -> None:
    home = change_copy(installed.home, tmp_path, PAYMENTS_WITHOUT_CONTRACT)
    written = reports.write(home, MONDAY)
    html = written.path.read_text()
    assert re.findall(r'<li class="(\w+)">(.*)</li>', html) == [
        (
            "payments_without_contract",
            "Pagos de organizaciones sin contrato, que no están en ningún archivo: 2. La tabla"
            " <code>payment_exceptions</code> dice cuáles (<code>unknown_organization</code>):"
            " agregue el contrato, o pregunte al procesador.",
        )
    ]
    assert "stray" not in html
    assert "lumin<" not in html
    assert written.summarize().splitlines()[0] == "- payments without contract (2)"
    assert reports.write(home, TUESDAY).summarize().startswith("- payments without contract (3)\n")


def test_a_date_that_was_not_run_has_no_report(installed: Installed) -> None:
    done = installed.command("report", "--date", "2026-02-27")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "saldo: no inbox has been looked into for 2026-02-27: `python -m orchestration run --date"
        " 2026-02-27` runs it\n"
    )
    assert [path.name for path in _reports(installed)] == ["2026-03-02.html", "2026-03-03.html"]


def test_a_home_without_a_published_copy_has_no_report(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    with pytest.raises(reports.NothingToReportError, match="nothing has been published yet"):
        reports.write(home, None)
    assert not home.reports.exists()


def test_pictures_of_more_organizations_than_a_mail_takes_are_left_out_and_told(
    installed: Installed, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MOST_DRAWN", 1)
    written = reports.write(installed.home, TUESDAY, "en")
    page.goto(written.path.as_uri())
    assert _texts(page, "h1") == ["The day 2026-03-03", "Colegio Pehuén"]
    assert len(table_rows(page, "table.days")) == 3
    assert "The pictures are those of 1 of 3 organizations; the console has the others." in _texts(
        page, "p"
    )
    assert written.summarize().splitlines()[1] == "- and 2 more, which are in the report"


def test_the_page_of_the_asset_shows_a_line_for_each_organization_and_the_file(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in installed.environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["published", "report"]))
    assert event is not None
    assert event.asset_materialization is not None
    shown = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    path = Path(str(shown["report"]))
    assert path.parts[-2:] == ("reports", "2026-03-03.html")
    assert str(shown["summary"]).splitlines() == [
        "- **Colegio Pehuén**: held; held (1), exceptions (1)",
        "- **Lumina Energía**: applied; exceptions (1)",
        "- **Andes Seguros**: applied; nothing to do",
        "",
        f"The whole report: `{path}`",
    ]
    assert (shown["organizations"], shown["organizations_needing_something"]) == (3, 2)


def test_nothing_is_left_of_a_report_that_could_not_be_written(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = installed.home.reports / "2026-03-03.html"
    former = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        reports.write(installed.home, TUESDAY)
    assert path.read_bytes() == former


def test_the_date_before_a_later_one_began_is_told_from_the_history(installed: Installed) -> None:
    with published_copy.reading(installed.home) as connection:
        ((ended_at,),) = connection.execute(
            "select max(loaded_at) from loads where business_date = '2026-03-02'"
        ).fetchall()
        listed = connection.execute(
            "select status, count(*) from debts_as_of(?) group by status order by status",
            [ended_at],
        ).fetchall()
    reports.write(installed.home, MONDAY, "en")
    html = (installed.home.reports / "2026-03-02.html").read_text()
    total = sum(int(number.replace(",", "")) for number in re.findall(r"<li><b>([\d,]+)</b>", html))
    assert total == sum(count for _status, count in listed)
