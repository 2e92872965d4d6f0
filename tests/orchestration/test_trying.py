"""A file is tried: what is said of it is what a run would do, and nothing of it is kept."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest
import requests
from playwright.sync_api import Page

from orchestration.contracts.organizations import read_column_aliases, read_organizations
from orchestration.delivery import published_copy
from orchestration.formats import samples
from orchestration.formats.file_columns import Layout
from orchestration.formats.samples import Sample
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import trying
from orchestration.intake.trial_homes import trial_home
from orchestration.pages.published import Reader
from orchestration.pages.queries import trials
from tests.orchestration.houses import Deposit, House, csv_of, event_of, xlsx_of, zip_of
from tests.orchestration.serving import Served, follow, serve_pages, table_rows
from tests.orchestration.starting import compile_models, copy_home

FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
HEADER = ["cliente", "producto", "vencimiento", "monto", "zona"]
FIRST = csv_of(
    [
        HEADER,
        ["c1", "p1", "2026-04-01", "1000", "norte"],
        ["c2", "p2", "2026-04-01", "2000", "norte"],
        ["c3", "p3", "2026-04-01", "3000", "norte"],
        ["c4", "p4", "2026-04-01", "4000", "sur"],
        ["c5", "p5", "2026-04-01", "5000", "sur"],
    ]
)
# One debt unchanged, one changed, one in a row that is refused, one new; c3 and c4 are not listed.
SECOND = csv_of(
    [
        HEADER,
        ["c1", "p1", "2026-04-01", "1000", "norte"],
        ["c2", "p2", "2026-04-01", "2500", "norte"],
        ["c5", "p5", "2026-04-01", "cinco mil", "sur"],
        ["c6", "p6", "2026-04-01", "600", "sur"],
        ["", "p7", "2026-04-01", "700", "sur"],
    ]
)
RUT = "12345678-5"
HOSTILE = "<script>alert(1)</script>"
OTHER_SPELLING = csv_of(
    [
        ["RUT", "Nro Operación", "Vencimiento", "Monto", "Monto", HOSTILE],
        [RUT, "77", "30-03-2026", "1.500,50", "x", "'><img src=x>"],
        ["11111111-1", "78", "30-03-2026", "2.000", "x", "<b>Eva</b>"],
    ],
    delimiter=";",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """An organization after its first day, of which a debt is in process."""
    contracts = {"agua": {"max_withdrawal_share": "0.5", "max_rejected_share": "0.6"}}
    house = House.make(tmp_path_factory.mktemp("trying"), contracts)
    key = {"customer_id": "c4", "product_id": "p4", "due_date": "2026-04-01"}
    paying = event_of("agua", 1, **key, amount=4000, status="pending")
    house.load(Deposit("agua", FIRST), events=[paying])
    with warehouse.connect(house.home) as connection:
        published_copy.publish(connection, house.home)
    assert house.query("select status from debts where product_id = 'p4'") == [("in_process",)]
    return house


@pytest.fixture(scope="module")
def served(house: House) -> Iterator[Served]:
    with serve_pages(house.home) as served:
        yield served


def _tree(home: Home) -> dict[str, str]:
    """Each file of a home with the hash of its bytes; folders with none."""
    return {
        str(path.relative_to(home.root)): sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in home.root.rglob("*")
    }


def _post(
    served: Served,
    content: bytes,
    file_name: str = "2026-03-02_toku_invoices.csv",
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: str,
) -> requests.Response:
    """Try a file as the form of the page does, in English."""
    browser = requests.Session()
    match = FORM_TOKEN.search(browser.get(f"{served.address}/try?language=en").text)
    assert match is not None
    sent = {"kind": "invoices", "form_token": match[1] if token is None else token, **fields}
    return browser.post(
        f"{served.address}/try", data=sent, files={"sample": (file_name, content)}, headers=headers
    )


class TestWhatIsSaid:
    """The models are asked, so a trial says what a run does."""

    def test_a_file_is_judged_as_a_run_judges_it(self, house: House, tmp_path: Path) -> None:
        house = replace(house, home=copy_home(house.home, tmp_path / "home"))
        content = tmp_path / "second.csv"
        content.write_bytes(SECOND)
        with (
            trial_home(house.home, "try") as trial,
            trying.judged(
                house.home,
                trial,
                house.organizations["agua"],
                kind="invoices",
                content=content,
                file_name="second.csv",
                business_date=date(2026, 3, 2),
                now=datetime.now(UTC),
            ) as connection,
        ):
            reader = Reader(connection)
            verdict = trials.read_verdict(reader)
            changes = trials.read_changes(reader, "invoices")
            refused = [
                (row.line_number, row.code) for row in trials.read_refusals(reader, "invoices")
            ]
        house.load(Deposit("agua", SECOND))
        assert house.query(
            "select status, code, record_count, accepted_count, rejected_count, accepted_amount,"
            " rejected_amount, new_count, changed_count, unchanged_count, withdrawn_count,"
            " kept_in_process_count from intake_files where load_id = 2"
        ) == [
            (
                verdict.verdict,
                verdict.code,
                verdict.record_count,
                verdict.accepted_count,
                verdict.rejected_count,
                verdict.accepted_amount,
                verdict.rejected_amount,
                changes["new"].count,
                changes["changed"].count,
                verdict.unchanged_count,
                changes["withdrawn"].count,
                changes["kept_in_process"].count,
            )
        ]
        assert refused == [(4, "invalid_amount"), (6, "missing_customer_id")]
        assert house.refused_rows() == [("agua", "invoices", *each) for each in refused]
        assert {change: each.count for change, each in changes.items()} == {
            "new": 1,
            "changed": 1,
            "withdrawn": 1,
            "kept_in_process": 1,
            "kept_rejected_row": 1,
        }
        assert verdict.does_balance

    def test_an_error_of_the_database_does_not_quote_the_file(
        self, house: House, tmp_path: Path
    ) -> None:
        content = tmp_path / "first.csv"
        content.write_bytes(FIRST)
        with (
            pytest.raises(trying.NotTriedError, match=r"^ConversionException$") as raised,
            trial_home(house.home, "try") as trial,
            trying.judged(
                house.home,
                trial,
                house.organizations["agua"],
                kind="invoices",
                content=content,
                file_name="first.csv",
                business_date=date(2026, 3, 2),
                now=datetime.now(UTC),
            ) as connection,
        ):
            connection.execute("select cast(amount || customer_id as integer) from raw.invoices")
        assert raised.value.__suppress_context__


class TestColumns:
    """What the columns of a file are taken for."""

    def _look(self, path: Path, kind: str, delimiter: str = ",", scheme: str = "rut") -> Sample:
        seeds = PROJECT / "seeds"
        layout = Layout(read_organizations(seeds)[0].organization_id, kind, delimiter, scheme)
        return samples.look(path, layout, read_column_aliases(seeds))

    def test_each_is_a_field_or_an_attribute_and_what_is_missing_or_doubled_is_said(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "sample"
        path.write_bytes(OTHER_SPELLING)
        sample = self._look(path, "invoices", ";")
        assert [
            (each.name, each.field, each.attribute, each.is_doubled) for each in sample.columns
        ] == [
            ("RUT", "customer_id", None, False),
            ("Nro Operación", None, "Nro Operación", False),
            ("Vencimiento", "due_date", None, False),
            ("Monto", "amount", None, True),
            ("Monto", "amount", None, True),
            (HOSTILE, None, HOSTILE, False),
        ]
        assert sample.missing == ("product_id",)
        assert [each.examples for each in sample.columns] == [
            (RUT, "11111111-1"),
            ("77", "78"),
            ("30-03-2026",),
            ("1.500,50", "2.000"),
            ("x",),
            ("'><img src=x>", "<b>Eva</b>"),
        ]

    def test_a_workbook_without_a_column_shows_the_header_that_has_most(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "sample"
        path.write_bytes(xlsx_of([["Clientes"], [], ["RUT", "Correo", "Zona"], [RUT, "a@b.cl"]]))
        sample = self._look(path, "customers")
        assert [(each.name, each.field, each.examples) for each in sample.columns] == [
            ("RUT", "customer_id", (RUT,)),
            ("Correo", "mail", ("a@b.cl",)),
            ("Zona", None, ()),
        ]
        assert sample.missing == ("name",)

    @pytest.mark.parametrize(
        "content", [b"", b"\x00\x01", b"PK\x03\x04\x00broken", b"\xff\xfea\x00"]
    )
    @pytest.mark.parametrize("kind", ["invoices", "customers"])
    def test_of_a_file_that_cannot_be_read_nothing_is_said(
        self, tmp_path: Path, kind: str, content: bytes
    ) -> None:
        path = tmp_path / "sample"
        path.write_bytes(content)
        assert self._look(path, kind) == Sample()


class TestKeepingNothing:
    """The answer is all that remains of a file."""

    @pytest.mark.parametrize("organization_id", ["agua", ""])
    @pytest.mark.parametrize(
        ("kind", "content"),
        [
            ("invoices", SECOND),
            ("invoices", OTHER_SPELLING),
            ("payments", SECOND),
            ("customers", xlsx_of([["RUT", "Nombre"], [RUT, "Ana"]])),
            ("customers", b"no workbook"),
            ("invoices", b'a,b\n"12345678-5'),
        ],
    )
    def test_a_file_leaves_no_trace(
        self,
        served: Served,
        capfd: pytest.CaptureFixture[str],
        kind: str,
        content: bytes,
        organization_id: str,
    ) -> None:
        trying.compiled_models(served.home)
        before = _tree(served.home)
        answer = _post(served, content, kind=kind, organization_id=organization_id)
        assert answer.status_code == 200
        assert "Nothing of it was kept." in answer.text
        assert _tree(served.home) == before
        said = "".join(capfd.readouterr())
        assert "12345678" not in said
        assert "Traceback" not in said

    def test_compiling_the_models_leaves_no_trace(self, tmp_path: Path) -> None:
        home = Home(tmp_path / "home", PROJECT / "seeds")
        home.create()
        before = _tree(home)
        with (
            patch.object(trying, "_compiled", []),
            patch.object(trying, "_compile", compile_models),
        ):
            assert trying.compiled_models(home).schemas == ("intermediate", "staging")
        assert _tree(home) == before


class TestGuards:
    """What the page does not take."""

    def test_only_a_form_of_this_page_is_taken(self, served: Served) -> None:
        assert _post(served, FIRST, token="x" * 43).status_code == 403
        elsewhere = {"Origin": "https://evil.example"}
        assert _post(served, FIRST, headers=elsewhere).status_code == 403
        assert requests.post(f"{served.address}/try", data={"kind": "invoices"}).status_code == 403

    def test_a_sample_that_is_too_large_is_refused(self, served: Served) -> None:
        with patch("orchestration.pages.trying.MOST_BYTES", len(FIRST) - 1):
            answer = _post(served, FIRST)
        assert answer.status_code == 413
        assert "That is too large for a sample" in answer.text

    @pytest.mark.parametrize(
        ("fields", "status_code", "said"),
        [
            ({"kind": "nothing"}, 400, "Say what kind of file it is."),
            ({"organization_id": "../agua"}, 404, "No organization of that name has a contract."),
            ({"country": "Chile"}, 400, "a country code of ISO 3166"),
            ({"currency": HOSTILE}, 400, "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ({"column_amount": "!!"}, 400, "a name with letters or digits"),
        ],
    )
    def test_what_is_not_allowed_is_said(
        self, served: Served, fields: dict[str, str], status_code: int, said: str
    ) -> None:
        answer = _post(served, FIRST, **fields)
        assert (answer.status_code, said in answer.text) == (status_code, True), answer.text

    def test_a_form_without_a_file_says_so(self, served: Served) -> None:
        answer = _post(served, b"", "")
        assert answer.status_code == 400
        assert "Choose a file, then try it." in answer.text

    def test_names_and_cells_stay_text(self, served: Served) -> None:
        names = {"column_product_id": "Nro Operación", "delimiter": ";"}
        answer = _post(served, OTHER_SPELLING, f"{HOSTILE}.csv", **names)
        assert answer.status_code == 200
        for tag in ("<script", "<img", "<b>Eva"):
            assert tag not in answer.text
        assert "&lt;b&gt;Eva&lt;/b&gt;" in answer.text


class TestAdvice:
    """What may be wrong beyond the rules."""

    def _advice(self, answer: requests.Response) -> list[str]:
        section = re.search(r'<section class="advice".*?</section>', answer.text, re.DOTALL)
        found = re.findall(r"<li>(.*?)</li>", section[0], re.DOTALL) if section else []
        return [" ".join(re.sub(r"<[^>]+>", "", each).split()) for each in found]

    @pytest.mark.parametrize(
        ("content", "file_name", "fields", "said"),
        [
            (FIRST, "2026-03-02_toku_invoices.csv", {"customer_id_scheme": "external_id"}, []),
            (
                OTHER_SPELLING,
                "2026-03-02_toku_invoices.csv",
                {},
                ["With the delimiter ; the header has 6 columns."],
            ),
            (
                csv_of(
                    [
                        ["rut", "producto", "vencimiento", "monto"],
                        [RUT, "77", "30-03-2026", "1.500,50"],
                    ],
                    delimiter=";",
                )[:-1],
                "marzo.csv",
                {"delimiter": ";"},
                [
                    "With the date format DD-MM-YYYY, 1 rows have a due date.",
                    "With the decimal separator , 1 rows have an amount.",
                    "A run reads files of another name: YYYY-MM-DD_toku_invoices.csv",
                    "The last line has no line end, as if the file were cut off: after a file that"
                    " has one, a run would hold it.",
                ],
            ),
            (
                xlsx_of([HEADER]),
                "2026-03-02_toku_invoices.csv",
                {},
                [
                    "This is a workbook. Debts and payments are sent as text: save it as"
                    " «CSV UTF-8».",
                ],
            ),
            (
                zip_of("2026-03-02_toku_invoices.csv", FIRST),
                "2026-03-02_toku_invoices.csv",
                {},
                [
                    "This is a .zip. Debts and payments are sent as text: try the file that is in"
                    " it.",
                ],
            ),
            (
                gzip.compress(FIRST, mtime=0),
                "2026-03-02_toku_invoices.csv",
                {},
                [
                    "This is a .gz. Debts and payments are sent as text: try the file that is in"
                    " it.",
                ],
            ),
            (
                FIRST,
                "2026-02-01_toku_invoices.csv",
                {"organization_id": "agua"},
                [
                    "The same bytes were received before: 2026-03-01_toku_invoices.csv (applied)",
                    "A file for 2026-03-01 was applied: an older one no longer replaces the base.",
                ],
            ),
        ],
    )
    def test_says_what_would_be_read_better(
        self,
        served: Served,
        content: bytes,
        file_name: str,
        fields: dict[str, str],
        said: list[str],
    ) -> None:
        assert self._advice(_post(served, content, file_name, **fields)) == said


class TestInABrowser:
    """What people see."""

    def _try(self, page: Page, path: Path) -> None:
        page.get_by_label("File (text or workbook").set_input_files(path)
        follow(page.get_by_role("button", name="Try it"))
        page.get_by_role("heading", name="Its columns").wait_for()

    def test_an_organization_finds_out_what_its_contract_must_say(
        self, served: Served, page: Page, tmp_path: Path
    ) -> None:
        path = tmp_path / "2026-03-02_toku_invoices.csv"
        rows = [
            ["RUT", "Nro Operación", "Vencimiento", "Monto", "Zona"],
            [RUT, "77", "30-03-2026", "1.500", "<b>norte</b>"],
            ["12345678-0", "78", "30-03-2026", "2.000", "sur"],
            ["11111111-1", "79", "30-03-2026", "2.500", "sur"],
            ["11111111-1", "80", "30-03-2026", "500", "sur"],
            ["11111111-1", "81", "30-03-2026", "500", "sur"],
        ]
        path.write_bytes(csv_of(rows, delimiter=";"))
        page.goto(f"{served.address}/try")
        assert page.get_by_role("heading", level=1).inner_text() == "Probar un archivo"
        follow(page.get_by_role("link", name="English"))
        self._try(page, path)
        assert page.locator("h1 .status").inner_text() == "would be refused"
        assert "missing_column" in page.locator("main").inner_text()

        page.get_by_label("Delimiter").select_option(";")
        page.get_by_label("Decimal separator").select_option(",")
        page.get_by_label("Date format").select_option("DD-MM-YYYY")
        page.locator("summary").click()
        page.get_by_label("Column of the id of the product").fill("nro operacion")
        self._try(page, path)
        page.screenshot(path=tmp_path / "tried.png", full_page=True)
        assert page.get_by_role("heading", level=1).inner_text() == (
            "2026-03-02_toku_invoices.csv would be applied"
        )
        assert table_rows(page, "table.columns") == [
            ["1", "RUT", "id of the customer (customer_id)", f"{RUT} · 12345678-0 · 11111111-1"],
            ["2", "Nro Operación", "id of the product (product_id)", "77 · 78 · 79"],
            ["3", "Vencimiento", "due date (due_date)", "30-03-2026"],
            ["4", "Monto", "amount (amount)", "1.500 · 2.000 · 2.500"],
            ["5", "Zona", "kept with the row as an attribute: Zona", "<b>norte</b> · sur"],
        ]
        assert table_rows(page, "table.figures") == [
            ["Accepted", "4", "5,000 CLP"],
            ["Refused", "1", "2,000 CLP"],
            ["In the file", "5", "7,000 CLP"],
        ]
        wrong_rut = "El RUT no es válido: revise el número y el dígito verificador."
        assert table_rows(page, "table.codes") == [["invalid_rut", wrong_rut, "1"]]
        assert table_rows(page, "table.refusals") == [
            ["3", "invalid_rut", wrong_rut, "12345678-0", "78", "30-03-2026", "2.000"]
        ]
        assert table_rows(page, "table.effects") == [["New debts", "4", "5,000 CLP"]]
        assert page.locator(".facts dd").all_inner_texts() == [
            "CL",
            "rut",
            "replace",
            "CLP",
            ";",
            ",",
            "DD-MM-YYYY",
        ]
        assert "nro operacion: id of the product (product_id)" in page.locator("main").inner_text()
        # What was said is in the form again; the file is not, because it was not kept.
        assert page.get_by_label("Delimiter").input_value() == ";"
        page.set_viewport_size({"width": 360, "height": 740})
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert page.get_by_role("main").bounding_box()["width"] <= 360
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "To the content"

    def test_an_operator_sees_what_a_file_would_do_to_the_base_and_that_it_would_be_held(
        self, served: Served, page: Page, tmp_path: Path
    ) -> None:
        path = tmp_path / "2026-03-02_toku_invoices.csv"
        path.write_bytes(SECOND)
        page.goto(f"{served.address}/organizations/agua?language=en")
        follow(page.get_by_role("main").get_by_role("link", name="Try a file"))
        assert page.get_by_label("Whose contract holds").input_value() == "agua"
        self._try(page, path)
        assert page.locator("h1 .status").inner_text() == "would be applied"
        assert table_rows(page, "table.effects") == [
            ["New debts", "1", "600 CLP"],
            ["Changed debts", "1", "2,500 CLP"],
            ["Withdrawn debts", "1", "3,000 CLP"],
            ["Kept in process", "1", "4,000 CLP"],
            ["Kept: its row is refused", "1", "5,000 CLP"],
        ]
        path.write_bytes(csv_of([HEADER, ["c1", "p1", "2026-04-01", "1000", "norte"]]))
        self._try(page, path)
        assert page.locator("h1 .status").inner_text() == "would be held"
        assert "too_many_withdrawals" in page.locator(".message").first.inner_text()
        page.locator("figure summary").click()
        assert table_rows(page, "figure table") == [
            ["New debts", "0"],
            ["Changed debts", "0"],
            ["Unchanged debts", "1"],
            ["Withdrawn debts", "3"],
            ["Kept in process", "1"],
            ["Kept: its row is refused", "0"],
        ]
        assert (
            "The base has 5 debts now; 4 of them are pending. The file would withdraw 75% of the"
            " pending debts; the contract lets it withdraw 50%."
        ) in page.locator("main").inner_text()

    def test_a_file_of_payments_says_which_debts_it_names_and_a_workbook_who_is_new(
        self, served: Served, page: Page, tmp_path: Path
    ) -> None:
        path = tmp_path / "2026-03-02_toku_payments.csv"
        path.write_bytes(SECOND)
        page.goto(f"{served.address}/try?organization=agua&language=en")
        page.get_by_label("What it has").select_option("payments")
        self._try(page, path)
        assert table_rows(page, "table.effects") == [
            ["of a debt in the base", "2"],
            ["of a debt that is no longer in it", "0"],
            ["of a debt that no file has listed", "1"],
        ]
        path = tmp_path / "clientes.xlsx"
        path.write_bytes(xlsx_of([["identificador", "nombre"], ["c1", "Ana"], ["c2", None]]))
        page.get_by_label("What it has").select_option("customers")
        self._try(page, path)
        assert page.locator("h1 .status").inner_text() == "would be applied"
        page.locator("figure summary").click()
        assert table_rows(page, "figure table") == [
            ["New customers", "1"],
            ["Changed customers", "0"],
            ["Unchanged customers", "0"],
        ]
        assert table_rows(page, "table.refusals") == [
            ["3", "missing_name", "Falta el nombre del cliente.", "c2", "", ""]
        ]


def test_a_copy_of_an_older_version_says_so(tmp_path: Path) -> None:
    house = House.make(tmp_path, {"agua": {}})
    with duckdb.connect(str(house.home.analytics)) as connection:
        connection.execute("create table debts (organization_id varchar)")
    with serve_pages(house.home) as served:
        answer = _post(served, FIRST, organization_id="agua")
    assert answer.status_code == 500
    assert "The published copy was made by an older version" in answer.text
