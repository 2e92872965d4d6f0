"""A file in the console, and the decision on a held one."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page

from orchestration.installation import locking
from orchestration.intake import decisions
from tests.orchestration.consoles import (
    TUESDAY,
    change_copy,
    decide,
    file_id_of,
    search,
    take_picture,
)
from tests.orchestration.installations import Installed
from tests.orchestration.serving import Served, follow, serve_pages, table_rows


def test_a_file_says_what_it_did_and_which_rows_were_refused(
    served: Served, morning: Installed, page: Page
) -> None:
    search(page, served, "2026-03-03_toku_invoices.csv")
    found = {row[1] for row in table_rows(page, "table.files")}
    assert found == {"andes_seguros", "colegio_pehuen", "lumina"}
    page.goto(f"{served.address}/files/{file_id_of(morning, 'lumina', TUESDAY)}")
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
    assert table_rows(page, "table.differences") == [
        ["New debts", "6", "0 CLP", "300,300 CLP"],
        ["Changed debts", "5", "238,300 CLP", "245,800 CLP"],
        ["Unchanged debts", "109", "5,089,200 CLP", "5,089,200 CLP"],
        ["Withdrawn debts", "5", "163,900 CLP", "0 CLP"],
        ["Kept in process", "1", "31,400 CLP", "0 CLP"],
        ["Kept, because their row was refused", "1", "59,600 CLP", "0 CLP"],
    ]
    assert table_rows(page, "table.columns") == [
        ["1", "rut", "the customer"],
        ["2", "producto", "the product"],
        ["3", "fecha_vencimiento", "the due date"],
        ["4", "monto", "the amount"],
        ["5", "anulado", "whether it is void"],
        ["6", "nombre", "the customer's name"],
        ["7", "sucursal", "kept with the debt as “sucursal”"],
    ]
    follow(page.get_by_role("link", name="The debts whose values are from it"))
    assert len(table_rows(page, "table.debts")) == 11


@pytest.mark.parametrize("organization_id", ["lumina", "colegio_pehuen"])
@pytest.mark.parametrize(
    ("link", "kind"), [("The refused rows", "result"), ("The summary", "summary")]
)
def test_the_answer_to_a_file_is_downloaded_as_the_organization_finds_it(
    served: Served, morning: Installed, page: Page, organization_id: str, link: str, kind: str
) -> None:
    page.goto(f"{served.address}/files/{file_id_of(morning, organization_id, TUESDAY)}?language=en")
    answers = " ".join(page.locator(".answers").inner_text().split())
    assert re.sub(r"delivered \S+ \S+ UTC", "delivered", answers) == (
        "The refused rows: delivered The summary: delivered"
    )
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    name = f"{TUESDAY}_toku_invoices.csv.{kind}.csv"
    assert download.value.suggested_filename == name
    sent = morning.server_root / organization_id / "outbox" / name
    assert download.value.path().read_bytes() == sent.read_bytes()


@pytest.mark.parametrize("address", [f"{'0' * 16}/result.csv", "'--/summary.csv", "x/other.csv"])
def test_an_answer_to_no_file_is_not_there(served: Served, address: str) -> None:
    assert requests.get(f"{served.address}/files/{address}").status_code == 404


@pytest.mark.parametrize("file_id", ["0" * 16, "..%2f..", "'--"])
def test_an_address_of_no_file_says_so(served: Served, file_id: str) -> None:
    assert requests.get(f"{served.address}/files/{file_id}").status_code == 404
    assert decide(served, f"/files/{file_id}/decision", "approved").status_code == 404


@pytest.mark.parametrize(
    ("changes", "told", "untold"),
    [
        ("update_mode = 'upsert'", "what it does not list stays", "is withdrawn, but for debts"),
        ("currency = 'USD'", r"Accepted</th>.* USD</td>", r"Accepted</th>.* CLP</td>"),
        ("status = 'refused', withdrawn_count = 0", "refused", "What it"),
    ],
    ids=["an upsert file", "another currency", "a refused file"],
)
def test_a_page_says_of_a_file_what_is_so_of_that_file(
    morning: Installed, tmp_path: Path, changes: str, told: str, untold: str
) -> None:
    file_id = file_id_of(morning, "colegio_pehuen", TUESDAY)
    changed = f"update intake_files set {changes} where file_id = '{file_id}'"
    home = change_copy(morning.home, tmp_path, changed)
    with serve_pages(home) as served:
        text = requests.get(f"{served.address}/files/{file_id}?language=en").text
    assert re.search(told, text)
    assert not re.search(untold, text)


class TestDeciding:
    """A held file, in the order in which things happen to it."""

    @pytest.fixture
    def address(self, morning: Installed) -> str:
        return f"/files/{file_id_of(morning, 'colegio_pehuen', TUESDAY)}"

    @pytest.fixture(autouse=True)
    def opened_server(self, morning: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in morning.environment.items():
            monkeypatch.setenv(name, value)

    def test_no_decision_is_taken_from_elsewhere(
        self, served: Served, morning: Installed, address: str
    ) -> None:
        applied = f"/files/{file_id_of(morning, 'lumina', TUESDAY)}"
        answers = [
            decide(served, f"{address}/decision", "approved", token="x" * 43),
            decide(served, f"{address}/decision", "deleted"),
            decide(served, f"{applied}/decision", "refused"),
        ]
        assert [answer.status_code for answer in answers] == [403, 400, 409]
        assert requests.get(f"{served.address}{address}/decision").status_code == 405
        assert list(morning.home.decisions.iterdir()) == []

    def test_a_decision_that_no_run_has_taken_is_shown_and_not_asked_for_again(
        self, served: Served, morning: Installed, page: Page, address: str, tmp_path: Path
    ) -> None:
        page.goto(f"{served.address}{address}?language=en")
        take_picture(page, "held", tmp_path)
        file_id = address.removeprefix("/files/")
        decisions.decide(
            morning.home, file_id, decisions.REFUSED, datetime(2026, 3, 3, 12, tzinfo=UTC)
        )
        page.goto(f"{served.address}{address}?language=en")
        assert "Decided: refused, 2026-03-03 12:00 UTC." in page.locator(".decision").inner_text()
        assert "The next run carries it out." in page.locator(".decision").inner_text()
        assert page.get_by_role("button").count() == 0
        decisions.forget(morning.home, file_id)

    def test_two_who_decide_at_once_get_one_decision(
        self, served: Served, morning: Installed, address: str
    ) -> None:
        wanted = [decisions.APPROVED, decisions.REFUSED] * 4
        with locking.exclusive(morning.home), ThreadPoolExecutor(len(wanted)) as operators:
            answers = operators.map(partial(decide, served, f"{address}/decision"), wanted)
            assert [answer.status_code for answer in answers] == [303] * len(wanted)
            (decision,) = decisions.read_noted(morning.home)
            shown = requests.get(f"{served.address}{address}?language=en").text
            assert f"Decided: {decision.decision}, " in shown
            decisions.forget(morning.home, decision.file_id)

    def test_an_operator_sees_what_a_held_file_would_do_approves_it_and_sees_it_applied(
        self, served: Served, morning: Installed, page: Page, address: str
    ) -> None:
        page.goto(f"{served.address}/files?language=en")
        follow(page.locator("table.files tbody a").first)
        assert page.url == served.address + address
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
        assert table_rows(page, "table.differences") == [
            ["Unchanged debts", "15", "785,000 CLP", "785,000 CLP"],
            ["Withdrawn debts", "45", "2,086,200 CLP", "0 CLP"],
        ]
        withdrawn = table_rows(page, "table.withdrawals")
        assert len(withdrawn) == 45
        assert {row[4] for row in withdrawn} == {"pending"}

        # A run is at work, so the decision waits, and the page says so.
        with locking.exclusive(morning.home):
            follow(page.get_by_role("button", name="Approve"))
            page.get_by_text("Decided: approved").wait_for()
            assert "process" in page.locator(".decision .hint").inner_text()
            assert page.get_by_role("button").count() == 0
            # Who decides meanwhile otherwise gets what was decided first.
            assert decide(served, f"{address}/decision", "refused").status_code == 303
            (note,) = morning.home.decisions.iterdir()
            assert '"decision": "approved"' in note.read_text()

        # The page looks again by itself.
        page.get_by_role("heading", name="2026-03-03_toku_invoices.csv applied").wait_for()
        page.wait_for_load_state()
        assert page.get_by_role("heading", name="What it did").count() == 1
        assert [row[:2] for row in table_rows(page, "table.differences")] == [
            ["Unchanged debts", "15"],
            ["Withdrawn debts", "45"],
        ]
        assert page.locator("table.withdrawals").count() == 0
        assert morning.query("from held_withdrawals") == []
        assert page.locator(".decision").count() == 0
        assert morning.query(
            "select status, count(*) from debts where organization_id = 'colegio_pehuen'"
            " group by status order by status"
        ) == [("in_process", 1), ("paid", 1), ("pending", 13), ("withdrawn", 45)]
        assert list(morning.home.decisions.iterdir()) == []

    def test_what_was_decided_is_decided(self, served: Served, address: str) -> None:
        answer = decide(served, f"{address}/decision", "refused")
        assert answer.status_code == 409
        assert "is applied" in answer.text
