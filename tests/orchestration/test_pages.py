"""The pages for operators: used in a real browser, and asked for what they must not do."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock, patch
from zoneinfo import ZoneInfo

import openpyxl
import pytest
import requests

from orchestration.contracts.organizations import read_organizations
from orchestration.formats import workbook_files
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import loads, uploads
from orchestration.pages.languages import catalog
from orchestration.pages.loader import Loader
from tests.orchestration.serving import Served, follow, open_browser, open_window, serve_pages
from tests.orchestration.starting import lend_parse

FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
TRACEBACK = "Traceback (most recent call last):"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = Home(tmp_path_factory.mktemp("pages") / "home", PROJECT / "seeds")
    home.create()
    lend_parse(home)
    with serve_pages(home) as served:
        yield served


@pytest.fixture
def browser(served: Served) -> requests.Session:
    """A browser that has opened the page in English, with its form's token."""
    session = requests.Session()
    match = FORM_TOKEN.search(session.get(f"{served.address}/customers?language=en").text)
    assert match is not None
    session.headers["X-Token-Of-The-Test"] = match[1]
    return session


def _token(browser: requests.Session) -> str:
    return str(browser.headers["X-Token-Of-The-Test"])


def _workbook() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Clientes"
    workbook.create_sheet("Apuntes")
    for row in (
        ["RUT", "Nombre", "Correo"],
        ["12.345.678-5", "Ana Muñoz", "ana@correo.cl"],
        ["11.111.111-1", "<b>Eva</b> & Cía.", "eva@correo.cl"],
        ["19.153.032-2", "José Pérez", "sin arroba"],
        ["24.830.060-4", "Begoña Ibáñez", None],
        ["18.441.919-K", "Camila Rojas", None],
        ["24.041.903-0", "Elías Soto", "elias@correo.cl"],
    ):
        sheet.append(row)
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def test_an_operator_uploads_previews_and_confirms_in_a_browser_without_scripts(
    served: Served, chromium: str, tmp_path: Path
) -> None:
    path = tmp_path / "clientes de marzo.xlsx"
    path.write_bytes(_workbook())
    troubles: list[str] = []
    with open_browser(chromium) as opened:
        page = open_window(opened, troubles)
        page.goto(f"{served.address}/customers")
        follow(page.get_by_role("link", name="English"))
        page.get_by_label("Organization").select_option("lumina")
        page.get_by_label("Workbook").set_input_files(path)
        follow(page.get_by_role("button", name="Show what it would do"))

        page.wait_for_url("**/customers/previews/*")
        assert page.get_by_role("heading", level=1).inner_text() == (
            "Preview of clientes de marzo.xlsx"
        )
        assert "from the sheet Clientes; not read: Apuntes." in page.locator("main").inner_text()
        assert page.locator(".counts li").all_inner_texts() == [
            "5 new",
            "0 changed",
            "0 unchanged",
            "1 refused",
            "1 with a warning",
        ]
        refused, warned, changed = (
            [row.split("\t") for row in table.locator("tbody tr").all_inner_texts()]
            for table in page.locator("table").all()
        )
        assert refused == [
            [
                "7",
                "A (RUT)",
                "invalid_rut",
                "El RUT no es válido: revise el número y el dígito verificador.",
            ]
        ]
        assert warned == [
            [
                "4",
                "C (Correo)",
                "invalid_mail",
                "El correo no es una dirección: el cliente se crea, pero no se le escribe.",
            ]
        ]
        assert changed == [
            ["2", "new", "12345678-5", "Ana Muñoz", "ana@correo.cl"],
            ["3", "new", "11111111-1", "<b>Eva</b> & Cía.", "eva@correo.cl"],
            ["4", "new", "19153032-2", "José Pérez", "sin arroba"],
            ["5", "new", "24830060-4", "Begoña Ibáñez", ""],
            ["6", "new", "18441919-K", "Camila Rojas", ""],
        ]
        page.screenshot(path=tmp_path / "preview.png", full_page=True)
        # Nothing has changed yet.
        assert served.waiting() == []
        assert not served.home.warehouse.exists()

        preview = page.url
        follow(page.get_by_role("button", name="Confirm"))
        page.get_by_role("heading", name="clientes de marzo.xlsx: applied").wait_for()
        page.wait_for_load_state()
        assert page.locator(".counts li").all_inner_texts() == [
            "5 new",
            "0 changed",
            "0 unchanged",
            "1 refused",
        ]
        assert [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()] == [
            [
                "7",
                "invalid_rut",
                "El RUT no es válido: revise el número y el dígito verificador.",
            ]
        ]

        follow(page.get_by_role("link", name="Upload another workbook"))
        (row,) = page.locator("tbody tr").all_inner_texts()
        assert row.split("\t")[1:] == [
            "lumina",
            "clientes de marzo.xlsx",
            "applied",
            "5",
            "0",
            "0",
            "1",
        ]
        answer = page.goto(preview)
        assert answer is not None
        assert answer.status == 404
    assert [text for text in troubles if "404" not in text] == []
    assert list((served.home.scratch / "previews").iterdir()) == []


def test_every_answer_says_that_it_is_shown_as_it_is_and_kept_nowhere(served: Served) -> None:
    for path in ("/customers", "/static/saldo.css", "/nothing"):
        answer = requests.get(served.address + path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_the_template_of_an_organization_is_a_workbook(served: Served) -> None:
    answer = requests.get(f"{served.address}/customers/templates/colegio_pehuen.xlsx")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="clientes_colegio_pehuen.xlsx"'
    )
    sheet = openpyxl.load_workbook(BytesIO(answer.content)).worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["Identificador", "Nombre", "Correo"]
    answer = requests.get(f"{served.address}/customers/templates/nobody.xlsx")
    assert answer.status_code == 404


def _ask(served: Served, *requests_sent: bytes) -> bytes:
    """All that the server says to bytes on a connection, until it closes it."""
    host, _, port = served.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"".join(requests_sent))
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    return answer


def _request(served: Served, *headers: str) -> bytes:
    host = served.address.removeprefix("http://")
    return "\r\n".join(["GET /customers HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


@pytest.mark.parametrize("kilobytes", [10, 60, 600])
def test_a_reader_with_large_headers_is_answered(served: Served, kilobytes: int) -> None:
    headers = [f"X-Large-{number}: {'x' * 1000}" for number in range(kilobytes)]
    answer = _ask(served, _request(served, *headers, "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"</html>") == 1


def test_a_page_that_is_asked_twice_on_one_connection_is_answered_twice(served: Served) -> None:
    answer = _ask(served, _request(served), _request(served, "Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.count(b"</html>") == 2


def test_a_page_that_many_ask_at_once_is_answered_to_each(served: Served) -> None:
    request = _request(served, "Connection: close")
    with ThreadPoolExecutor(8) as readers:
        answers = list(readers.map(lambda _: _ask(served, request), range(16)))
    assert [answer.count(b"HTTP/1.1 200 OK\r\n") for answer in answers] == [1] * 16


def test_a_date_that_no_run_can_have_is_refused_with_those_that_can(served: Served) -> None:
    """Their commands would be refused."""
    today = datetime.now(ZoneInfo("America/Santiago")).date()
    for asked in ("2023-12-31", f"{today + timedelta(days=2)}"):
        answer = requests.get(f"{served.address}/today", params={"date": asked})
        assert answer.status_code == 400
        assert (
            f"Ninguna ejecución tiene esa fecha; las fechas van del 2024-01-01 al {today}."
            in answer.text
        )
        assert "python -m orchestration" not in answer.text
    for asked in ("2024-01-01", f"{today}"):
        assert requests.get(f"{served.address}/today", params={"date": asked}).status_code == 200


class TestGuards:
    """What no page may do, whoever asks."""

    def _post(self, served: Served, browser: requests.Session, **changes) -> requests.Response:
        files = {"workbook": ("w.xlsx", b"x")}
        data = {"organization_id": "lumina", "form_token": _token(browser)}
        options = {"files": files, "data": data, "allow_redirects": False, **changes}
        return browser.post(f"{served.address}/customers", **options)

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
    def test_a_foreign_name_for_this_machine_is_not_answered(
        self, served: Served, host: str
    ) -> None:
        answer = requests.get(f"{served.address}/customers", headers={"Host": host})
        assert answer.status_code == 400

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
    def test_a_form_from_another_site_is_refused(
        self, served: Served, browser: requests.Session, origin: str
    ) -> None:
        answer = self._post(served, browser, headers={"Origin": origin})
        assert answer.status_code == 403

    @pytest.mark.parametrize("token", [None, "", "x" * 43])
    def test_a_form_without_the_browsers_token_is_refused(
        self, served: Served, browser: requests.Session, token: str | None
    ) -> None:
        data = {"organization_id": "lumina", "form_token": token}
        assert self._post(served, browser, data=data).status_code == 403

    def test_a_form_without_cookie_is_refused(
        self, served: Served, browser: requests.Session
    ) -> None:
        browser.cookies.clear()
        assert self._post(served, browser).status_code == 403

    def test_the_cookie_goes_to_our_pages_only_and_no_script_reads_it(self, served: Served) -> None:
        cookie = requests.get(f"{served.address}/customers").headers["set-cookie"]
        assert cookie.endswith("; HttpOnly; Path=/; SameSite=strict")

    def test_a_confirmation_without_token_is_refused(
        self, served: Served, browser: requests.Session
    ) -> None:
        answer = browser.post(f"{served.address}/customers/previews/{'x' * 43}")
        assert answer.status_code == 403

    @pytest.mark.parametrize("files", [None, {"workbook": ("", b"")}, {"other": ("w", b"x")}])
    def test_a_form_without_a_file_says_so(
        self, served: Served, browser: requests.Session, files
    ) -> None:
        answer = self._post(served, browser, files=files)
        assert answer.status_code == 400
        assert "Choose a workbook, then ask for the preview." in answer.text

    def test_an_unknown_organization_is_refused(
        self, served: Served, browser: requests.Session
    ) -> None:
        data = {"organization_id": "../lumina", "form_token": _token(browser)}
        assert self._post(served, browser, data=data).status_code == 404

    @pytest.mark.parametrize("is_declared", [True, False])
    def test_a_file_that_is_too_large_is_refused_and_not_kept(
        self, served: Served, browser: requests.Session, is_declared: bool
    ) -> None:
        start = b'--b\r\nContent-Disposition: form-data; name="workbook"; filename="w.xlsx"\r\n\r\n'
        body = start + bytes(workbook_files.LARGEST_FILE_BYTES + 100_000) + b"\r\n--b--\r\n"
        answer = browser.post(
            f"{served.address}/customers",
            data=body if is_declared else iter([body[:1000], body[1000:]]),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert answer.status_code == 413
        assert "larger than 50 MB" in answer.text
        assert not (served.home.scratch / "previews").exists() or not list(
            (served.home.scratch / "previews").iterdir()
        )

    @pytest.mark.parametrize("path", ["previews/..%2f..%2fx", "previews/short", "uploads/zz"])
    def test_addresses_are_no_paths(self, served: Served, path: str) -> None:
        assert requests.get(f"{served.address}/customers/{path}").status_code == 404

    @pytest.mark.parametrize(
        ("language", "told"),
        [
            (
                "es",
                [
                    "No hay ninguna página en esta dirección.",
                    "Esta dirección no acepta esa petición: vuelva atrás y use los botones de la"
                    " página.",
                ],
            ),
            (
                "en",
                [
                    "There is no page at this address.",
                    "This address takes no such request: go back, and use the page&#39;s own"
                    " buttons.",
                ],
            ),
        ],
    )
    def test_an_address_that_is_none_is_told_in_the_language_of_the_page(
        self, served: Served, language: str, told: list[str]
    ) -> None:
        query = f"?language={language}"
        answers = [
            requests.get(f"{served.address}/nowhere{query}"),
            requests.post(f"{served.address}/today{query}"),
        ]
        assert [answer.status_code for answer in answers] == [404, 405]
        messages = [re.search('<p class="message">(.*)</p>', each.text) for each in answers]
        assert [each and each[1] for each in messages] == told

    def test_an_upload_that_nobody_made_is_not_waited_for(self, served: Served) -> None:
        answer = requests.get(f"{served.address}/customers/uploads/{'0' * 16}")
        assert answer.status_code == 404

    def test_an_upload_of_a_load_whose_run_failed_is_waited_for(
        self, home: Home, tmp_path: Path
    ) -> None:
        """The pages were started anew since, and know nothing of the run that they began."""
        workbook = tmp_path / "clientes.xlsx"
        workbook.write_bytes(_workbook())
        upload = uploads.put(
            home, read_organizations(home.seeds)[0], workbook, workbook.name, datetime.now(UTC)
        )
        with warehouse.connect(home) as connection:
            loads.carry_next(connection, home, date(2026, 3, 2), {})
        assert not upload.folder.exists()
        with serve_pages(home) as served:
            answer = requests.get(
                f"{served.address}/customers/uploads/{upload.file_id}?language=en"
            )
        assert answer.status_code == 200
        assert "The next run takes it." in answer.text


class TestLoading:
    """The runs behind the page."""

    def test_a_busy_warehouse_is_tried_again_and_a_failure_is_not(self, home: Home) -> None:
        outcomes = [
            (1, "saldo: it is held by process 1\n"),
            (1, "saldo: it is held by process 1\n"),
            (1, "saldo: step models failed\n"),
            (0, ""),
        ]
        seen: list[bool] = []
        loader = Loader(home, "load-uploads")

        class Result:
            def __init__(self, returncode: int, stderr: str) -> None:
                self.returncode, self.stderr = returncode, stderr

        def run(*_, **__) -> Result:
            seen.append(loader.has_failed)
            return Result(*outcomes[len(seen) - 1])

        with (
            patch("orchestration.pages.loader.subprocess.run", run),
            patch("orchestration.pages.loader._RETRY_SECONDS", 0.01),
        ):
            loader.start("an upload")
            _wait(loader)
            assert (seen, loader.has_failed) == ([False, True, True], True)
            loader.start("an upload")
            _wait(loader)
        assert (len(seen), loader.has_failed) == (4, False)

    @pytest.mark.parametrize("returncode", [0, 1])
    def test_a_run_that_waited_for_its_turn_is_neither_a_failure_nor_tried_again(
        self, home: Home, returncode: int
    ) -> None:
        loader = Loader(home, "load-uploads")
        with patch("orchestration.pages.loader.subprocess.run") as run:
            run.return_value.returncode = returncode
            run.return_value.stderr = (
                "saldo: it is held by process 1; waiting for at most 1800 seconds\n"
            )
            loader.start("an upload")
            _wait(loader)
        assert (run.call_count, loader.has_failed, loader.trouble()) == (1, False, "")

    def test_what_kept_a_run_from_its_work_is_told(self, home: Home) -> None:
        loader = Loader(home, "load-decisions")
        with patch("orchestration.pages.loader.subprocess.run") as run:
            run.return_value.returncode = 1
            run.return_value.stderr = "noise\nsaldo: the disk is full\n"
            loader.start("a file")
            _wait(loader)
        assert run.call_args.args[0][-1] == "load-decisions"
        assert loader.trouble() == "saldo: the disk is full"

    def test_a_refused_workbook_is_no_failure_of_the_run(self, home: Home) -> None:
        loader = Loader(home, "load-uploads")
        with patch("orchestration.pages.loader.subprocess.run") as run:
            run.return_value.returncode, run.return_value.stderr = 1, ""
            loader.start("an upload")
            _wait(loader)
        assert not loader.has_failed

    def test_what_is_asked_for_while_a_run_shuts_down_is_taken_by_another_one(
        self, home: Home
    ) -> None:
        loader = Loader(home, "load-decisions")
        with patch("orchestration.pages.loader.subprocess.run") as run:

            def last_look(*_: object, **__: object) -> Mock:
                if run.call_count == 1:
                    loader.start("a second file")
                return Mock(returncode=0, stderr="")

            run.side_effect = last_look
            loader.start("a file")
            _wait(loader)
        assert run.call_count == 2

    @pytest.mark.parametrize(
        ("verb", "status", "stderr"),
        [
            ("load-decisions", 1, ""),
            ("load-decisions", 1, "saldo: it is held by 1; waiting for at most 9 seconds\n"),
            ("load-decisions", -9, ""),
            ("load-uploads", -9, ""),
            ("load-uploads", 1, f"{TRACEBACK}\nKeyError: ana@correo.cl"),
            ("load-uploads", 2, "Error: No such command"),
        ],
    )
    def test_a_run_that_ends_without_a_word_is_trouble_and_its_log_is_kept(
        self, home: Home, verb: str, status: int, stderr: str
    ) -> None:
        loader = Loader(home, verb)
        with patch("orchestration.pages.loader.subprocess.run") as run:
            run.return_value.returncode, run.return_value.stderr = status, stderr
            loader.start("a file")
            _wait(loader)
        assert loader.has_failed
        assert loader.trouble() == f"`{verb}` ended with status {status}; see logs/"
        assert loader.trouble(catalog("es").gettext) == (
            f"`{verb}` terminó con estado {status}; vea logs/"
        )
        log = home.root / "logs" / f"{verb}.log"
        assert log.read_text() == stderr.replace("ana@correo.cl", "[mail]")


def _wait(loader: Loader) -> None:
    while loader.is_at_work:
        time.sleep(0.01)
