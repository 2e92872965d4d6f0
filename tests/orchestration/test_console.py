"""The console: what an operator finds out and decides in a browser, on a morning with a held file.

Two days of the sample organizations were run, with a row more in each file of one of them, whose
texts are markup. On the second day the school's file is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
import requests
from playwright.sync_api import Browser, Page

from orchestration.installation import locking
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import decisions
from tests.orchestration.installations import Installed, install
from tests.orchestration.serving import Served, open_browser, open_window, serve_pages, table_rows

# With the exit status of the run of each: what is held is told.
DAYS = {date(2026, 3, 2): 0, date(2026, 3, 3): 1}
TUESDAY = date(2026, 3, 3)
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
HOSTILE = "<script>alert(1)</script>"
HOSTILE_ROW = f"12.345.678-5,{HOSTILE},2026-03-30,1000,,<b>Eva</b> & Cía.,'><img src=x>\n"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The sample installation after Monday and Tuesday."""
    with install(tmp_path_factory.mktemp("morning"), Installed) as installed:
        for day, status in DAYS.items():
            installed.upload(day)
            inbox = installed.server_root / "lumina" / "inbox"
            with (inbox / f"{day}_toku_invoices.csv").open("a", encoding="utf-8") as file:
                file.write(HOSTILE_ROW)
            ran = installed.command("run", "--date", str(day))
            assert ran.returncode == status, ran.stdout + ran.stderr
        yield installed


@pytest.fixture(scope="module")
def served(morning: Installed) -> Iterator[Served]:
    with serve_pages(morning.home) as served:
        yield served


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with open_browser(chromium) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window, which must have had nothing to complain about."""
    troubles: list[str] = []
    page = open_window(browser, troubles)
    yield page
    page.context.close()
    assert troubles == []


def _debt_id(morning: Installed, product_id: str) -> str:
    ((debt_id,),) = morning.query(f"select debt_id from debts where product_id = '{product_id}'")
    return str(debt_id)


def _file_id(morning: Installed, organization_id: str, day: date) -> str:
    ((file_id,),) = morning.query(
        "select file_id from intake_files"
        f" where organization_id = '{organization_id}' and business_date = '{day}'"
    )
    return str(file_id)


def _search(page: Page, served: Served, text: str, path: str = "/find?language=en") -> None:
    """Search for a text as an operator does."""
    page.goto(f"{served.address}{path}")
    page.get_by_role("searchbox").fill(text)
    page.get_by_role("search").get_by_role("button").click()
    page.wait_for_url("**/find?search=*")


def _post(
    served: Served, address: str, decision: str, token: str | None = None
) -> requests.Response:
    """Decide as the form of a page does, with another token if one is given."""
    browser = requests.Session()
    match = FORM_TOKEN.search(browser.get(f"{served.address}/customers").text)
    assert match is not None
    return browser.post(
        served.address + address,
        data={"decision": decision, "form_token": match[1] if token is None else token},
        allow_redirects=False,
    )


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
    _search(page, served, text)
    found = [row[2] for row in table_rows(page, "table.debts")]
    assert found == products


def test_no_address_has_what_was_searched_for(
    served: Served, morning: Installed, page: Page
) -> None:
    """R30: a browser and a proxy keep addresses."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _search(page, served, "19.153.032-2")
    page.get_by_role("link", name="LUZ-001").click()
    page.get_by_role("link", name="19153032-2").click()
    assert [row[2] for row in table_rows(page, "table.debts")] == ["LUZ-001"]
    page.go_back()
    page.go_back()
    assert [row[2] for row in table_rows(page, "table.debts")] == ["LUZ-001"]
    assert page.get_by_role("searchbox").input_value() == "19.153.032-2"
    debt_id = _debt_id(morning, "LUZ-001")
    of_pages = [url.removeprefix(served.address) for url in asked if "/static/" not in url]
    search = of_pages[2]
    assert re.fullmatch(r"/find\?search=[\w-]{22}", search)
    visited = [f"/debts/{debt_id}", f"/find?debt={debt_id}", f"/debts/{debt_id}", search]
    assert of_pages == ["/find?language=en", "/find", search, *visited]


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
    _search(page, served, "LUZ-001")
    page.get_by_role("link", name="LUZ-001").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Debt LUZ-001 in process"
    page.screenshot(path=tmp_path / "debt.png", full_page=True)
    assert page.locator(".why").inner_text() == (
        "It is in the base although the newest file does not list it as owed: its payment is"
        " in process."
    )
    moments = [moment.inner_text() for moment in page.locator(".life li div").all()]
    assert [" ".join(moment.split()) for moment in moments] == [
        "Payment pay-0001: in process, 31,400 CLP, Cargo en cuenta (PAC)."
        " Its newest event was at 2026-03-01 13:30.",
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


def test_a_refused_row_stands_in_the_life_of_its_debt(
    served: Served, morning: Installed, page: Page
) -> None:
    page.goto(f"{served.address}/debts/{_debt_id(morning, 'LUZ-015')}")
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
    page.goto(f"{served.address}/debts/{_debt_id(morning, HOSTILE)}")
    assert page.get_by_role("heading", level=1).inner_text().startswith(f"Deuda {HOSTILE} ")
    facts = page.locator(".facts dd").all_inner_texts()
    assert page.locator("main script, main img, main b").count() == 0
    assert facts[-1] == "'><img src=x>"


@pytest.mark.parametrize("debt_id", ["0" * 32, "..%2fx", "'--", "x" * 5000])
def test_an_address_of_no_debt_says_so(served: Served, debt_id: str) -> None:
    answer = requests.get(f"{served.address}/debts/{debt_id}")
    assert answer.status_code == 404


def test_the_pages_are_spanish_until_somebody_switches_and_stay_switched(
    served: Served, page: Page
) -> None:
    _search(page, served, "LUZ-015", "/find")
    assert page.get_by_role("heading", level=1).inner_text() == "Buscar una deuda"
    assert page.locator("html").get_attribute("lang") == "es"
    page.get_by_role("link", name="English").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Find a debt"
    assert [row[2] for row in table_rows(page, "table.debts")] == ["LUZ-015"]
    page.get_by_role("link", name="Customers").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Upload customers"
    page.get_by_role("link", name="Español").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Cargar clientes"


def test_each_page_fits_a_phone_and_is_reached_by_the_keyboard(
    served: Served, morning: Installed, page: Page, tmp_path: Path
) -> None:
    paths = (
        "/today",
        f"/find?debt={_debt_id(morning, 'LUZ-001')}",
        f"/debts/{_debt_id(morning, 'LUZ-001')}",
        "/files",
        f"/files/{_file_id(morning, 'lumina', TUESDAY)}",
        "/organizations",
        "/organizations/lumina",
        "/customers",
        "/try",
    )
    page.set_viewport_size({"width": 360, "height": 740})
    for path in paths:
        page.goto(served.address + path)
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert page.get_by_role("main").bounding_box()["width"] <= 360
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Al contenido"


class TestBeforeTheFirstDay:
    """What the console says while there is nothing to show."""

    @pytest.fixture
    def new_home(self, tmp_path: Path) -> Home:
        home = Home(tmp_path / "home", PROJECT / "seeds")
        home.create()
        return home

    def test_a_new_installation_says_how_to_begin(self, new_home: Home) -> None:
        with serve_pages(new_home) as served:
            text = requests.get(f"{served.address}/find").text
        assert "Todavía no se recibe ningún archivo." in text
        assert "python -m orchestration check\npython -m orchestration run" in text

    def test_a_first_run_that_has_not_ended_says_how_to_go_on(self, new_home: Home) -> None:
        (new_home.landing / "_loads" / "00000001.json").touch()
        with serve_pages(new_home) as served:
            text = requests.get(f"{served.address}/find").text
        assert "ninguna ejecución publicó el resultado" in text
        assert "python -m orchestration replay" in text

    def test_a_first_run_at_work_is_waited_for(self, new_home: Home) -> None:
        with serve_pages(new_home) as served, locking.exclusive(new_home):
            text = requests.get(f"{served.address}/find").text
        assert "Hay una ejecución en curso." in text

    def test_a_damaged_copy_names_what_makes_it_anew(self, new_home: Home) -> None:
        new_home.analytics.write_bytes(b"no database" * 1000)
        with serve_pages(new_home) as served:
            answer = requests.get(f"{served.address}/find")
        assert answer.status_code == 500
        assert "replay" in answer.text
        assert "Un archivo de esta instalación está dañado" in answer.text

    def test_a_copy_of_an_older_version_says_so(self, new_home: Home) -> None:
        with duckdb.connect(str(new_home.analytics)) as connection:
            connection.execute("create table debts (debt_id varchar)")
        with serve_pages(new_home) as served:
            answer = requests.get(f"{served.address}/find?q={'0' * 16}")
        assert answer.status_code == 500
        assert "La copia publicada es de una versión anterior" in answer.text


def test_a_file_says_what_it_did_and_which_rows_were_refused(
    served: Served, morning: Installed, page: Page
) -> None:
    _search(page, served, "2026-03-03_toku_invoices.csv")
    found = {row[1] for row in table_rows(page, "table.files")}
    assert found == {"andes_seguros", "colegio_pehuen", "lumina"}
    page.goto(f"{served.address}/files/{_file_id(morning, 'lumina', TUESDAY)}")
    assert page.get_by_role("heading", level=1).inner_text() == (
        "2026-03-03_toku_invoices.csv applied"
    )
    page.locator("summary").first.click()
    assert table_rows(page, "figure >> nth=0 >> table") == [
        ["New debts", "6"],
        ["Changed debts", "5"],
        ["Unchanged debts", "109"],
        ["Withdrawn debts", "5"],
        ["Kept in process", "1"],
    ]
    assert table_rows(page, "table.figures") == [
        ["Accepted", "120", "5,635,300 CLP"],
        ["Refused", "1", "0 CLP"],
        ["In the file", "121", "5,635,300 CLP"],
    ]
    assert table_rows(page, "table.codes") == [
        [
            "invalid_amount",
            "El monto falta, no es un número o tiene más decimales que su moneda; en UF, con tres"
            " decimales podría ser de miles: escriba los cuatro decimales.",
            "1",
        ]
    ]
    assert table_rows(page, "table.refusals") == [
        ["10", "invalid_amount", "16035770-3", "LUZ-015", "2026-03-27", "pendiente"]
    ]
    page.get_by_role("link", name="The debts whose values are from it").click()
    assert len(table_rows(page, "table.debts")) == 11


def test_the_list_of_organizations_leads_to_what_waits(served: Served, page: Page) -> None:
    page.goto(f"{served.address}/organizations?language=en")
    assert table_rows(page, "table.organizations") == [
        ["Andes Seguros", "82", "4,294,300 CLP", "2026-03-03", "applied", "0"],
        ["Colegio Pehuén", "59", "2,795,900 CLP", "2026-03-03", "held", "1"],
        ["Lumina Energía", "120", "5,600,700 CLP", "2026-03-03", "applied", "0"],
    ]
    page.get_by_role("link", name="1", exact=True).click()
    assert [row[1:5] for row in table_rows(page, "table.files")] == [
        ["colegio_pehuen", "2026-03-03_toku_invoices.csv", "debts", "held too_many_withdrawals"],
        ["colegio_pehuen", "2026-03-02_toku_invoices.csv", "debts", "applied"],
    ]


def test_an_organization_shows_its_base_its_payments_and_its_contract(
    served: Served, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{served.address}/organizations?language=en")
    page.get_by_role("link", name="Lumina Energía").click()
    assert [" ".join(each.split()) for each in page.locator(".counts li").all_inner_texts()] == [
        "119 pending 5,569,300 CLP",
        "1 in process 31,400 CLP",
        "2 paid 125,600 CLP",
        "5 withdrawn 163,900 CLP",
    ]
    page.screenshot(path=tmp_path / "organization.png", full_page=True)
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


def test_the_first_page_says_what_each_organization_needs_and_leads_there(
    served: Served, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{served.address}/?language=en")
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-03"
    page.screenshot(path=tmp_path / "today.png", full_page=True)
    assert page.locator(".message").inner_text() == "2 of 3 organizations need something."
    needs = [" ".join(need.split()) for need in page.locator(".needs li").all_inner_texts()]
    assert [re.sub(r"since .* UTC", "since then", need) for need in needs] == [
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
    page.get_by_role("link", name="See it").last.click()
    page.wait_for_url("**/organizations/lumina#exceptions")
    page.go_back()
    page.get_by_role("link", name="See it and decide").click()
    assert page.get_by_role("button", name="Approve").count() == 1


def test_a_day_that_is_well_says_so_and_other_days_have_addresses(
    served: Served, page: Page
) -> None:
    page.goto(f"{served.address}/today?language=en")
    page.get_by_role("link", name="2026-03-02").click()
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-02"
    assert page.locator(".well").inner_text() == (
        "All is well: each of the 3 organizations sent its debts file and was told of its payments."
    )
    assert page.locator(".needs").count() == 0
    page.get_by_role("link", name="The newest date").click()
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-03"


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


@pytest.mark.parametrize("file_id", ["0" * 16, "..%2f..", "'--"])
def test_an_address_of_no_file_says_so(served: Served, file_id: str) -> None:
    assert requests.get(f"{served.address}/files/{file_id}").status_code == 404
    assert _post(served, f"/files/{file_id}/decision", "approved").status_code == 404


class TestDeciding:
    """A held file, in the order in which things happen to it."""

    @pytest.fixture
    def address(self, morning: Installed) -> str:
        return f"/files/{_file_id(morning, 'colegio_pehuen', TUESDAY)}"

    @pytest.fixture(autouse=True)
    def opened_server(self, morning: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in morning.environment.items():
            monkeypatch.setenv(name, value)

    def test_no_decision_is_taken_from_elsewhere(
        self, served: Served, morning: Installed, address: str
    ) -> None:
        applied = f"/files/{_file_id(morning, 'lumina', TUESDAY)}"
        answers = [
            _post(served, f"{address}/decision", "approved", token="x" * 43),
            _post(served, f"{address}/decision", "deleted"),
            _post(served, f"{applied}/decision", "refused"),
        ]
        assert [answer.status_code for answer in answers] == [403, 400, 409]
        assert requests.get(f"{served.address}{address}/decision").status_code == 405
        assert list(morning.home.decisions.iterdir()) == []

    def test_a_decision_that_no_run_has_taken_is_shown_and_not_asked_for_again(
        self, served: Served, morning: Installed, page: Page, address: str
    ) -> None:
        file_id = address.removeprefix("/files/")
        decisions.note(
            morning.home, file_id, decisions.REFUSED, datetime(2026, 3, 3, 12, tzinfo=UTC)
        )
        page.goto(f"{served.address}{address}?language=en")
        assert "Decided: refused, 2026-03-03 12:00 UTC." in page.locator(".decision").inner_text()
        assert "The next run carries it out." in page.locator(".decision").inner_text()
        assert page.get_by_role("button").count() == 0
        decisions.forget(morning.home, file_id)

    def test_an_operator_sees_what_a_held_file_would_do_approves_it_and_sees_it_applied(
        self, served: Served, morning: Installed, page: Page, address: str, tmp_path: Path
    ) -> None:
        page.goto(f"{served.address}/files?language=en")
        page.locator("table.files tbody a").first.click()
        assert page.url == served.address + address
        page.screenshot(path=tmp_path / "held.png", full_page=True)
        assert "too_many_withdrawals" in page.locator(".message").inner_text()
        assert (
            "The base has 59 debts now, 2,795,900 CLP; 58 of them are pending. The file would"
            " withdraw 77.6% of the pending debts; the contract lets it withdraw 50%."
        ) in page.locator("main").inner_text()
        page.locator("summary").first.click()
        assert table_rows(page, "figure >> nth=0 >> table") == [
            ["New debts", "0"],
            ["Changed debts", "0"],
            ["Unchanged debts", "15"],
            ["Withdrawn debts", "45"],
            ["Kept in process", "0"],
        ]

        # A run is at work, so the decision waits, and the page says so.
        with locking.exclusive(morning.home):
            page.get_by_role("button", name="Approve").click()
            page.get_by_text("Decided: approved").wait_for()
            assert "process" in page.locator(".decision .hint").inner_text()
            assert page.get_by_role("button").count() == 0
            # Who decides meanwhile otherwise gets what was decided first.
            assert _post(served, f"{address}/decision", "refused").status_code == 303
            (note,) = morning.home.decisions.iterdir()
            assert '"decision": "approved"' in note.read_text()

        # The page looks again by itself.
        page.get_by_role("heading", name="2026-03-03_toku_invoices.csv applied").wait_for()
        assert page.get_by_role("heading", name="What it did").count() == 1
        assert page.locator(".decision").count() == 0
        assert morning.query(
            "select status, count(*) from debts where organization_id = 'colegio_pehuen'"
            " group by status order by status"
        ) == [("in_process", 1), ("paid", 1), ("pending", 13), ("withdrawn", 45)]
        assert list(morning.home.decisions.iterdir()) == []

    def test_what_was_decided_is_decided(self, served: Served, address: str) -> None:
        answer = _post(served, f"{address}/decision", "refused")
        assert answer.status_code == 409
        assert "is applied" in answer.text
