"""Workbooks: every cell as people see it, every broken file one code, no library's own words."""

from __future__ import annotations

import io
import json
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference

from orchestration.contracts.organizations import Aliases, read_column_aliases, read_organizations
from orchestration.formats import workbook_files, workbook_template, workbooks
from orchestration.formats.encodings import UnreadableError
from orchestration.formats.workbooks import Row, Sheet
from orchestration.installation.home import PROJECT
from tests.orchestration.houses import as_strict

ALIASES = read_column_aliases(PROJECT / "seeds")
LUMINA, _, PEHUEN = read_organizations(PROJECT / "seeds")
HEADER = ["RUT", "Nombre", "Correo"]
FIXTURES = PROJECT / "tests" / "fixtures"


def _save(path: Path, *rows: Sequence[Any], prepare: Callable[[Any], None] | None = None) -> Path:
    """A workbook of one sheet."""
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    if prepare is not None:
        prepare(workbook)
    workbook.save(path)
    return path


def _read(path: Path, aliases: Aliases = ALIASES) -> tuple[Sheet, list[Row]]:
    with workbooks.read(path, "lumina", "rut", aliases) as workbook:
        return workbook.sheet, list(workbook.rows())


def _refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(UnreadableError) as caught:
        _read(path)
    error: BaseException = caught.value
    # The library's own error, which may quote a cell, is not shown with it (R30).
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    return caught.value.code, caught.value.message


def _ids(path: Path) -> list[tuple[str | None, str | None]]:
    return [(row.customer_id, row.cell_code) for row in _read(path)[1]]


def test_a_workbook_saved_by_libreoffice_is_read_cell_by_cell() -> None:
    """A merged title, formulas, dates, a hidden row, column and sheet, an error, colored ends."""
    sheet, rows = _read(FIXTURES / "customers_libreoffice.xlsx")
    assert sheet == Sheet(
        title="Clientes",
        other_titles=("Portada", "Borrador", "Notas"),
        header_row=3,
        columns={"customer_id": 0, "name": 1, "mail": 2},
        names=(
            "RUT Cliente",
            "Nombre Completo",
            "Correo Electrónico",
            "Alta",
            "Socio",
            "Saldo",
            "Zona",
        ),
    )
    assert [
        (
            row.row_number,
            row.customer_id,
            row.name,
            row.mail,
            row.usable_mail,
            row.cell_code,
            json.loads(row.attributes or "{}"),
            row.attribute_length,
        )
        for row in rows
    ] == [
        (
            4,
            "12.345.678-5",
            "Ana Muñoz",
            "ana.munoz@correo.cl",
            "ana.munoz@correo.cl",
            None,
            {"Alta": "2026-03-02", "Socio": "true", "Saldo": "12345.5", "Zona": "Norte"},
            10,
        ),
        (
            5,
            "191530322",
            "José Pérez",
            "jose@correo.cl",
            "jose@correo.cl",
            None,
            {"Alta": "2026-03-02T14:30:00", "Socio": "false", "Saldo": "1000", "Zona": "Sur"},
            19,
        ),
        (6, "24830060-4", "Begoña Ibáñez", None, None, None, {"Saldo": "24691"}, 5),
        (
            7,
            "18441919-k  ",
            "Camila Rojas",
            "CAMILA@CORREO.CL",
            "CAMILA@correo.cl",
            None,
            {"Zona": "Fila oculta"},
            11,
        ),
        (8, "24.041.903-3", "#N/A", "error@correo.cl", "error@correo.cl", "cell_error", {}, None),
        (9, "2026-03-02", "Fecha por RUT", None, None, "date_as_customer_id", {}, None),
        (11, "8.930.225-0", "Elías Soto", "sin arroba", None, None, {"Saldo": "0.1"}, 3),
        (12, "15.521.925-4", "Combinada", None, None, None, {}, None),
        (13, "19.764.052-9", None, None, None, None, {}, None),
    ]


class TestIdentifiers:
    """What people type where an identifier goes."""

    @pytest.mark.parametrize(
        ("typed", "customer_id", "code"),
        [
            ("12.345.678-5", "12.345.678-5", None),
            ("  12345678-5\xa0", "  12345678-5\xa0", None),
            ("12345678-5_x000D_", "12345678-5\r", None),
            ("_x005F_x000D_", "_x000D_", None),
            ("0012", "0012", None),
            (12345678.0, "12345678", None),
            (123456785, "123456785", None),
            (12.5, "12.5", None),
            (10**15 - 1, "999999999999999", None),
            (10**15, "1000000000000000", "inexact_id"),
            (date(2026, 5, 12), "2026-05-12", "date_as_customer_id"),
            (time(12, 5), "12:05:00", "date_as_customer_id"),
            ("#N/A", "#N/A", "cell_error"),
            (None, None, None),
        ],
    )
    def test_an_identifier_is_read_as_it_is_seen_or_its_row_gets_a_code(
        self, tmp_path: Path, typed: Any, customer_id: str | None, code: str | None
    ) -> None:
        path = _save(tmp_path / "w", HEADER, [typed, "Ana"])
        assert _ids(path) == [(customer_id, code)]

    def test_a_number_keeps_the_zeros_that_its_format_shows(self, tmp_path: Path) -> None:
        def prepare(workbook: Any) -> None:
            workbook.active["A2"].number_format = "00000"
            workbook.active["A3"].number_format = "0.00"

        path = _save(tmp_path / "w", HEADER, [42, "Ana"], [7, "Eva"], prepare=prepare)
        assert _ids(path) == [("00042", None), ("7", None)]

    @pytest.mark.parametrize(
        ("typed", "number_format", "customer_id", "code"),
        [
            (123456, "00000-0", "12345-6", None),
            (77, '"C"0000', "C0077", None),
            ("7", '"C"@', "C7", None),
            (123456789012, "General", "123456789012", None),
            (1234567, "#,##0", "1234567", "inexact_id"),
            (123457000000, "0.00E+00", "123457000000", "inexact_id"),
            (12.5, "General", "12.5", "inexact_id"),
            (True, "General", "true", "inexact_id"),
            ("AB-7_x000D_", "General", "AB-7\r", None),
            ("\u200bAB\u00a0 7", "General", "\u200bAB\u00a0 7", None),
        ],
    )
    def test_an_external_id_is_what_its_cell_shows_or_its_row_gets_a_code(
        self,
        tmp_path: Path,
        typed: Any,
        number_format: str,
        customer_id: str,
        code: str | None,
    ) -> None:
        def prepare(workbook: Any) -> None:
            workbook.active["A2"].number_format = number_format

        path = _save(tmp_path / "w", HEADER, [typed, "Ana_x000D_"], prepare=prepare)
        with workbooks.read(path, "lumina", "external_id", ALIASES) as workbook:
            (row,) = workbook.rows()
        assert (row.customer_id, row.name, row.cell_code) == (customer_id, "Ana", code)

    def test_a_formula_that_nobody_has_calculated_is_no_value(self, tmp_path: Path) -> None:
        path = _save(
            tmp_path / "w",
            HEADER,
            ['="12345678"&"-5"', "Ana"],
            ["12345678-5", '="A"&"na"'],
            ["12345678-5", "Ana", '="a@b"&".cl"'],
        )
        assert [(row.customer_id, row.name, row.mail, row.cell_code) for row in _read(path)[1]] == [
            (None, "Ana", None, "formula_without_value"),
            ("12345678-5", None, None, "formula_without_value"),
            ("12345678-5", "Ana", None, None),
        ]


class TestMails:
    """What can be written to, found out without asking anyone."""

    @pytest.mark.parametrize(
        ("typed", "usable"),
        [
            ("ana@correo.cl", "ana@correo.cl"),
            (" Ana.Muñoz@CORREO.CL ", "Ana.Muñoz@correo.cl"),
            ("ana@ñandu.cl", "ana@ñandu.cl"),
            ("ana@correo", None),
            ("ana@correo.cl, eva@correo.cl", None),
            ("ana arroba correo.cl", None),
            ("Ana <ana@correo.cl>", None),
            ("ana@localhost", None),
            ("-", None),
            (None, None),
        ],
    )
    def test_a_mail_is_usable_or_not(
        self, tmp_path: Path, typed: str | None, usable: str | None
    ) -> None:
        with patch("socket.getaddrinfo", side_effect=AssertionError("asked a name server")):
            _, (row,) = _read(_save(tmp_path / "w", HEADER, ["12345678-5", "Ana", typed]))
        assert row.usable_mail == usable
        assert row.cell_code is None


class TestSheets:
    """Which sheet and which row are the header."""

    def test_the_header_may_stand_below_a_title_and_in_any_sheet_that_is_seen(
        self, tmp_path: Path
    ) -> None:
        workbook = openpyxl.Workbook()
        workbook.active.append(["Nada"])
        secret = workbook.create_sheet("Secreta")
        secret.append(HEADER)
        secret.append(["1-9", "No"])
        secret.sheet_state = "veryHidden"
        chart = BarChart()
        chart.add_data(Reference(workbook.active, min_col=1, min_row=1))
        workbook.create_chartsheet("Gráfico").add_chart(chart)
        data = workbook.create_sheet("Datos")
        for row in [["Clientes de marzo"], [], [None, *HEADER], [None, "12345678-5", "Ana"]]:
            data.append(row)
        also = workbook.create_sheet("También")
        also.append(HEADER)
        workbook.save(tmp_path / "w")
        sheet, rows = _read(tmp_path / "w")
        assert (sheet.title, sheet.header_row, sheet.other_titles) == (
            "Datos",
            3,
            ("Sheet", "Secreta", "También"),
        )
        assert [(row.row_number, row.customer_id, row.name) for row in rows] == [
            (4, "12345678-5", "Ana")
        ]
        assert sheet.place("name") == "C (Nombre)"

    def test_blank_rows_are_passed_over_and_rows_keep_the_numbers_that_excel_shows(
        self, tmp_path: Path
    ) -> None:
        rows = [HEADER, ["1", "A"], [], [None, "  ", "\xa0"], ["2", "B"], [None] * 3]
        path = _save(tmp_path / "w", *rows)
        assert [row.row_number for row in _read(path)[1]] == [2, 5]

    def test_other_columns_are_attributes_also_without_a_name(self, tmp_path: Path) -> None:
        path = _save(
            tmp_path / "w",
            ["nota", *HEADER, None, "nota"],
            ["a", "1", "Ana", None, "b", "c", "ñ" * 300],
            [None, "2", "Eva"],
        )
        _, (first, second) = _read(path)
        assert json.loads(first.attributes or "") == {
            "nota": "a",
            "column_5": "b",
            "nota_2": "c",
            "column_7": "ñ" * 300,
        }
        assert first.attribute_length == 300
        assert (second.attributes, second.attribute_length) == (None, None)

    def test_a_heading_with_the_issuers_name_is_not_the_header(self, tmp_path: Path) -> None:
        heading = ["RUT:", "76.123.456-0", "Nombre:", "ACME SpA"]
        path = _save(tmp_path / "w", heading, [], HEADER, ["12345678-5", "Ana", "ana@correo.cl"])
        sheet, rows = _read(path)
        assert (sheet.header_row, dict(sheet.columns)) == (
            3,
            {"customer_id": 0, "name": 1, "mail": 2},
        )
        assert [(row.customer_id, row.name, row.mail) for row in rows] == [
            ("12345678-5", "Ana", "ana@correo.cl")
        ]

    def test_a_header_with_a_doubled_column_is_refused_below_a_heading_too(
        self, tmp_path: Path
    ) -> None:
        heading = ["RUT:", "76.123.456-0", "Nombre:", "ACME SpA"]
        path = _save(tmp_path / "w", heading, [*HEADER, "Correo"], ["12345678-5", "Ana", "a", "b"])
        assert _refusal(path)[0] == "doubled_column"

    def test_customers_above_another_header_are_read(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "w", HEADER[:2], ["12345678-5", "Ana"], HEADER, ["7-6", "Eva", "e"])
        sheet, rows = _read(path)
        assert sheet.header_row == 1
        assert [row.name for row in rows] == ["Ana", "Nombre", "Eva"]

    def test_an_organizations_own_header_names_count(self, tmp_path: Path) -> None:
        own = Aliases({**ALIASES.fields, ("lumina", "customers", "medidor"): "customer_id"})
        _, (row,) = _read(_save(tmp_path / "w", ["Medidor", "Nombre"], ["7", "Ana"]), own)
        assert (row.customer_id, row.name) == ("7", "Ana")

    def test_what_a_sheet_claims_of_its_own_size_does_not_count(self, tmp_path: Path) -> None:
        _save(tmp_path / "w", HEADER, ["1", "Ana"], ["2", "Eva"])
        with zipfile.ZipFile(tmp_path / "w") as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        sheet = "xl/worksheets/sheet1.xml"
        parts[sheet] = parts[sheet].replace(b'ref="A1:C3"', b'ref="A1:A1"')
        with zipfile.ZipFile(tmp_path / "lying", "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        assert b'ref="A1:A1"' in parts[sheet]
        assert [row.name for row in _read(tmp_path / "lying")[1]] == ["Ana", "Eva"]


class TestRefusals:
    """Files that cannot be read are one code and a message, whatever is in them (R16, R30)."""

    def test_missing_and_doubled_columns_are_named(self, tmp_path: Path) -> None:
        assert _refusal(_save(tmp_path / "a", ["RUT", "Fono"], ["1-9", "2"])) == (
            "missing_column",
            "El encabezado no tiene la columna obligatoria: nombre (name).",
        )
        assert _refusal(_save(tmp_path / "b", ["RUT", "Nombre", "rut cliente"], ["1"])) == (
            "doubled_column",
            "Dos columnas son identificador del cliente: «RUT» (columna 1) y «rut cliente»"
            " (columna 3). Deje una sola.",
        )

    def test_a_workbook_without_customers_is_empty(self, tmp_path: Path) -> None:
        expected = ("empty_file", "El libro no trae clientes.")
        assert _refusal(_save(tmp_path / "a")) == expected
        assert _refusal(_save(tmp_path / "b", HEADER, [], [None, " "])) == expected

    @pytest.mark.parametrize("kind", ["text", "nothing", "zip", "cut", "ods", "broken sheet"])
    def test_a_file_that_is_no_workbook_says_so(self, tmp_path: Path, kind: str) -> None:
        whole = _save(tmp_path / "whole", HEADER, ["12345678-5", "Ana"]).read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as parts:
            parts.writestr("content.xml", "<x/>")
            if kind == "ods":
                parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        content = {
            "text": b"rut;nombre\n12345678-5;Ana\n",
            "nothing": b"",
            "zip": archive.getvalue(),
            "ods": archive.getvalue(),
            "cut": whole[: len(whole) // 2],
            "broken sheet": _with_sheet(whole, b"<worksheet><sheetData><row r='1'><c"),
        }[kind]
        (tmp_path / "w").write_bytes(content)
        assert _refusal(tmp_path / "w") == (
            "not_a_workbook",
            "El archivo no es un libro de Excel (.xlsx) o está dañado.",
        )

    def test_a_sheet_that_breaks_off_in_the_middle_is_refused_whole(self, tmp_path: Path) -> None:
        whole = _save(tmp_path / "whole", HEADER, *[["1", "Ana"]] * 9).read_bytes()
        sheet = _sheet_of(whole)
        (tmp_path / "w").write_bytes(_with_sheet(whole, sheet[: sheet.index(b'r="7"')]))
        assert _refusal(tmp_path / "w")[0] == "not_a_workbook"

    def test_an_old_or_protected_workbook_is_told_apart(self, tmp_path: Path) -> None:
        (tmp_path / "w").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
        assert _refusal(tmp_path / "w")[0] == "protected_workbook"

    def test_data_beyond_the_columns_that_are_read_is_not_lost_in_silence(
        self, tmp_path: Path
    ) -> None:
        def prepare(workbook: Any) -> None:
            workbook.active.cell(3, 257, "lost")

        path = _save(tmp_path / "w", HEADER, ["1", "Ana"], ["2", "Eva"], prepare=prepare)
        assert _refusal(path)[0] == "too_many_columns"

    @pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "x.bin"])
    def test_a_zip_bomb_is_refused_before_it_unpacks(self, tmp_path: Path, part: str) -> None:
        whole = _save(tmp_path / "whole", HEADER, ["1", "Ana"]).read_bytes()
        with zipfile.ZipFile(io.BytesIO(whole)) as source:
            parts = {name: source.read(name) for name in source.namelist()}
        with zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
            for name, content in parts.items():
                if name != part:
                    bomb.writestr(name, content)
            with bomb.open(part, "w", force_zip64=True) as target:
                for _ in range(11):
                    target.write(bytes(1_000_000))
        assert (tmp_path / "w").stat().st_size < 20_000
        tracemalloc.start()
        with patch.object(workbook_files, "LARGEST_CONTENT_BYTES", 10_000_000):
            assert _refusal(tmp_path / "w")[0] == "workbook_too_large"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()

    @pytest.mark.parametrize(
        ("place", "element"),
        [
            (b"</row></sheetData>", b"<c/>"),
            (b"</row></sheetData>", b"<!--</row>--><c/>"),
            (b"<sheetData>", b"<a/>"),
            (b"</worksheet>", b"<a/>"),
        ],
    )
    def test_elements_without_the_end_of_a_row_are_refused_before_they_fill_the_memory(
        self, tmp_path: Path, place: bytes, element: bytes
    ) -> None:
        whole = _save(tmp_path / "whole", HEADER, *[["1", "Ana"]] * 9).read_bytes()
        sheet = _sheet_of(whole)
        assert sheet.count(place) == 1
        (tmp_path / "w").write_bytes(
            _with_sheet(whole, sheet.replace(place, element * 100_000 + place))
        )
        tracemalloc.start()
        with patch.object(workbook_files, "MOST_TAGS", 5_000):
            assert _refusal(tmp_path / "w")[0] == "workbook_too_large"
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
        tracemalloc.stop()

    def test_a_row_of_few_elements_and_many_bytes_is_refused(self, tmp_path: Path) -> None:
        whole = _save(tmp_path / "whole", HEADER, ["1", "Ana"]).read_bytes()
        sheet = _sheet_of(whole)
        long = sheet.replace(b"</row></sheetData>", b" " * 3_000_000 + b"</row></sheetData>")
        (tmp_path / "w").write_bytes(_with_sheet(whole, long))
        assert len(_read(tmp_path / "w")[1]) == 1
        with patch.object(workbook_files, "LARGEST_ROW_BYTES", 2_000_000):
            assert _refusal(tmp_path / "w")[0] == "workbook_too_large"

    @pytest.mark.parametrize("name", ["xl/pivot.xml", "xl/worksheets/w.xml"])
    @pytest.mark.parametrize("is_workbook", [True, False])
    def test_a_part_is_what_another_part_says_whatever_its_name_is(
        self, tmp_path: Path, name: str, is_workbook: bool
    ) -> None:
        whole = _save(tmp_path / "whole", HEADER, ["1", "Ana"]).read_bytes()
        with zipfile.ZipFile(io.BytesIO(whole)) as source:
            parts = {each: source.read(each) for each in source.namelist()}
        types, many = parts["[Content_Types].xml"], b"<a/>" * 100_000
        if is_workbook:
            types = types.replace(b"xl/workbook.xml", name.encode())
            parts[name] = parts.pop("xl/workbook.xml").replace(
                b"</workbook>", many + b"</workbook>"
            )
        else:
            kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
            named = f'<Override PartName="/{name}" ContentType="{kind}"/></Types>'
            types = types.replace(b"</Types>", named.encode())
            parts[name] = b"<sst>" + many + b"</sst>"
        with zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as target:
            for each, content in {**parts, "[Content_Types].xml": types}.items():
                target.writestr(each, content)
        tracemalloc.start()
        with (
            patch.object(workbook_files, "MOST_TAGS", 5_000),
            patch.object(workbook_files, "MOST_TEXT_TAGS", 5_000),
        ):
            assert _refusal(tmp_path / "w")[0] == "workbook_too_large"
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
        tracemalloc.stop()

    def test_a_text_longer_than_any_of_excel_is_cut_and_its_row_refused(
        self, tmp_path: Path
    ) -> None:
        long = "x" * 40_000
        whole = _save(tmp_path / "w", [*HEADER, "nota"], ["1", "AA", "a@b.cl", "BB"], ["CC", "A"])
        content = io.BytesIO()
        with (
            zipfile.ZipFile(whole) as source,
            zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for each in source.namelist():
                text = source.read(each)
                for place in (b"BB", b"CC", b"AA"):
                    text = text.replace(b"<t>" + place + b"</t>", f"<t>{long}</t>".encode())
                target.writestr(each, text)
        whole.write_bytes(content.getvalue())
        first, second = _read(whole)[1]
        assert (first.cell_code, second.cell_code) == ("cell_error", "cell_error")
        assert first.attribute_length == 32_001
        assert {len(first.name or ""), len(second.customer_id or "")} == {32_001}

    def test_a_text_that_many_cells_share_counts_in_each(self, tmp_path: Path) -> None:
        rows = [[str(number), "x" * 30_000] for number in range(40)]
        path = _save(tmp_path / "w", HEADER, *rows)
        assert len(_read(path)[1]) == 40
        with patch.object(workbooks, "LARGEST_CONTENT_BYTES", 1_000_000):
            assert _refusal(path)[0] == "workbook_too_large"

    def test_the_texts_that_are_kept_in_memory_have_a_limit_of_their_own(
        self, tmp_path: Path
    ) -> None:
        path = _save(tmp_path / "w", HEADER, ["1", "Ana"])
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/sharedStrings2.xml", bytes(3_000_000))
        with patch.object(workbook_files, "LARGEST_TEXTS_BYTES", 2_000_000):
            assert _refusal(path)[0] == "workbook_too_large"

    @pytest.mark.parametrize(
        ("part", "is_refused"),
        [("xl/styles2.xml", True), ("docProps/x.xml", True), ("xl/calcChain.xml", False)],
    )
    def test_what_describes_the_workbook_has_a_limit_of_its_own(
        self, tmp_path: Path, part: str, is_refused: bool
    ) -> None:
        path = _save(tmp_path / "w", HEADER, ["1", "Ana"])
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(part, bytes(3_000_000))
        with patch.object(workbook_files, "LARGEST_DESCRIPTION_BYTES", 2_000_000):
            if is_refused:
                assert _refusal(path)[0] == "workbook_too_large"
            else:
                assert len(_read(path)[1]) == 1

    def test_a_part_that_is_larger_than_it_says_is_refused(self, tmp_path: Path) -> None:
        whole = _save(tmp_path / "whole", HEADER, *[["1", "Ana"]] * 500).read_bytes()
        size = len(_sheet_of(whole)).to_bytes(4, "little")
        assert whole.count(size) >= 1
        (tmp_path / "w").write_bytes(whole.replace(size, (99).to_bytes(4, "little")))
        assert _refusal(tmp_path / "w")[0] == "not_a_workbook"

    def test_entities_that_multiply_are_refused(self, tmp_path: Path) -> None:
        whole = _save(tmp_path / "whole", HEADER, ["1", "Ana"]).read_bytes()
        names = "abcdefghij"
        entities = "".join(
            f'<!ENTITY {name} "{f"&{names[place - 1]};" * 10 if place else "x" * 1000}">'
            for place, name in enumerate(names)
        )
        bomb = f"<!DOCTYPE w [{entities}]><worksheet><sheetData>&j;</sheetData></worksheet>"
        (tmp_path / "w").write_bytes(_with_sheet(whole, bomb.encode()))
        tracemalloc.start()
        assert _refusal(tmp_path / "w")[0] == "not_a_workbook"
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        tracemalloc.stop()

    def test_rows_far_beyond_the_end_of_any_sheet_are_refused(self, tmp_path: Path) -> None:
        whole = _save(tmp_path / "whole", HEADER, ["1", "Ana"]).read_bytes()
        sheet = _sheet_of(whole).replace(b'r="2"', b'r="9000000000"')
        (tmp_path / "w").write_bytes(_with_sheet(whole, sheet))
        with patch.object(workbooks, "MOST_ROWS", 1000):
            assert _refusal(tmp_path / "w")[0] == "workbook_too_large"

    def test_a_workbook_of_strict_open_xml_is_read_like_any_other(self, tmp_path: Path) -> None:
        content = _save(tmp_path / "usual", HEADER, ["12345678-5", "Ana"]).read_bytes()
        path = tmp_path / "strict"
        path.write_bytes(as_strict(content))
        assert [(row.customer_id, row.name) for row in _read(path)[1]] == [("12345678-5", "Ana")]

    def test_a_large_file_is_refused_unopened(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "w", HEADER, ["1", "Ana"])
        with patch.object(workbook_files, "LARGEST_FILE_BYTES", 100):
            assert _refusal(path)[0] == "workbook_too_large"

    def test_each_code_of_a_workbook_has_the_seeds_message(self) -> None:
        seed = (PROJECT / "seeds" / "intake_codes.csv").read_text(encoding="utf-8")
        for code in workbook_files._MESSAGES:
            assert f"\n{code},file," in seed
        for code in ("cell_error", "formula_without_value"):
            assert f"\n{code},row," in seed


class TestMemory:
    """What is read does not pile up."""

    def test_rows_are_read_one_by_one(self, tmp_path: Path) -> None:
        workbook = openpyxl.Workbook(write_only=True)
        sheet = workbook.create_sheet()
        sheet.append(HEADER)
        for number in range(20_000):
            sheet.append([f"{number}", f"Nombre {number}", f"persona{number}@correo.cl"])
        workbook.save(tmp_path / "w")
        tracemalloc.start()
        # A sheet whose size is not said has more elements than may describe a workbook.
        with (
            patch.object(workbook_files, "MOST_TAGS", 5_000),
            workbooks.read(tmp_path / "w", "lumina", "rut", ALIASES) as opened,
        ):
            count = sum(1 for _ in opened.rows())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 20_000
        assert peak < 18_000_000


class TestTemplates:
    """The empty workbook to fill in."""

    @pytest.mark.parametrize(
        ("organization", "first"), [(LUMINA, "RUT"), (PEHUEN, "Identificador")]
    )
    def test_a_template_explains_its_columns_and_is_read_back_once_filled_in(
        self, tmp_path: Path, organization: Any, first: str
    ) -> None:
        (tmp_path / "empty").write_bytes(workbook_template.write_template(organization))
        assert _refusal(tmp_path / "empty")[0] == "empty_file"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            template = openpyxl.load_workbook(io.BytesIO((tmp_path / "empty").read_bytes()))
        assert template.sheetnames == ["Clientes", "Instrucciones"]
        customers, notes = template.worksheets
        assert [cell.value for cell in customers[1]] == [first, "Nombre", "Correo"]
        assert [[cell.value for cell in row[:2]] for row in notes.iter_rows(max_row=4)] == [
            ["Columna", "Obligatoria"],
            [first, "sí"],
            ["Nombre", "sí"],
            ["Correo", "no"],
        ]
        assert all(cell.value for cell in notes["C"][:4])
        assert [customers.column_dimensions[each].number_format for each in "ABC"] == ["@"] * 3
        customers.append(["12.345.678-5", "Ana", "ana@correo.cl"])
        template.save(tmp_path / "filled")
        sheet, (row,) = _read(tmp_path / "filled")
        assert (sheet.title, row.customer_id, row.usable_mail) == (
            "Clientes",
            "12.345.678-5",
            "ana@correo.cl",
        )


def test_dates_and_numbers_of_other_columns_are_texts(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "w",
        [*HEADER, "a", "b", "c", "d", "e"],
        ["1", "Ana", None, datetime(2026, 3, 2, 1, 2, 3), time(4, 5), 1e21, 0.1, -0.0],
    )
    assert json.loads(_read(path)[1][0].attributes or "") == {
        "a": "2026-03-02T01:02:03",
        "b": "04:05:00",
        "c": "1000000000000000000000",
        "d": "0.1",
        "e": "0",
    }


def _sheet_of(workbook: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


def _with_sheet(workbook: bytes, sheet: bytes) -> bytes:
    """The same workbook with another first sheet."""
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as source,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            is_sheet = name == "xl/worksheets/sheet1.xml"
            target.writestr(name, sheet if is_sheet else source.read(name))
    return changed.getvalue()
