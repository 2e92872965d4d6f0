"""Files written anew without a person: every other byte, cell and event is as it was."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from pathlib import Path
from unittest.mock import patch

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.comments import Comment

from orchestration.contracts.organizations import Aliases, read_column_aliases
from orchestration.formats import delimited, encodings, event_lines, limits, rewriting, workbooks
from orchestration.installation.home import PROJECT

ALIASES = read_column_aliases(PROJECT / "seeds")
FIXTURES = PROJECT / "tests" / "fixtures"
TOKEN = "borrado-0123456789abcdef"
HEADER = ["rut", "producto", "año", "nota"]
LINE_ENDS = ("\n", "\r\n", "\r")


@dataclass(frozen=True)
class Piece:
    """A part of a file: a record, or a blank line."""

    cells: tuple[str, ...]
    quoted: tuple[bool, ...]
    erased: tuple[bool, ...]
    line_end: str

    def cells_erased(self) -> list[str]:
        """With a token for each erased cell, and its line ends, which number the lines."""
        return [
            TOKEN + "".join(re.findall("\r\n|\r|\n", cell)) if erased else cell
            for cell, erased in zip(self.cells, self.erased, strict=True)
        ]

    def text(self, delimiter: str, *, is_erased: bool) -> str:
        doubled = [
            cell.replace('"', '""') for cell in (self.cells_erased() if is_erased else self.cells)
        ]
        return (
            delimiter.join(
                f'"{cell}"' if quoted else cell
                for cell, quoted in zip(doubled, self.quoted, strict=True)
            )
            + self.line_end
        )


CHARACTERS = st.sampled_from("ab1 '\"\t;,|ñé\x1b\x1f\r\n")


@st.composite
def _pieces(draw: st.DrawFn, delimiter: str) -> list[Piece]:
    pieces = []
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.integers(0, 4)) == 0:
            pieces.append(Piece((draw(st.sampled_from(["", " "])),), (False,), (False,), "\n"))
            continue
        cells, quoted = [], []
        for _ in HEADER:
            cell = draw(st.text(CHARACTERS, max_size=8))
            is_quoted = draw(st.booleans())
            if not is_quoted:
                cell = cell.translate(dict.fromkeys(map(ord, f'{delimiter}\r\n"')))
            cells.append(cell)
            quoted.append(is_quoted)
        erased = draw(st.lists(st.booleans(), min_size=4, max_size=4))
        line_end = draw(st.sampled_from(LINE_ENDS))
        pieces.append(Piece(tuple(cells), tuple(quoted), tuple(erased), line_end))
    return pieces


@settings(max_examples=400, deadline=None)
@given(
    data=st.data(),
    delimiter=st.sampled_from([",", ";", "|", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    block_bytes=st.sampled_from([8, 64, 1 << 18]),
)
def test_a_delimited_file_is_written_anew_with_every_other_byte_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    delimiter: str,
    encoding: str,
    block_bytes: int,
) -> None:
    before = f"sep={delimiter}\n" if data.draw(st.booleans()) else "\n"
    header = before + delimiter.join(HEADER) + data.draw(st.sampled_from(LINE_ENDS[:2]))
    pieces = data.draw(_pieces(delimiter))
    if pieces and data.draw(st.booleans()):
        pieces[-1] = replace(pieces[-1], line_end="")
    original = header + "".join(each.text(delimiter, is_erased=False) for each in pieces)
    expected = header + "".join(each.text(delimiter, is_erased=True) for each in pieces)
    folder = tmp_path_factory.mktemp("delimited")
    path = folder / "landed"
    path.write_bytes(original.encode(encoding))
    with patch.object(limits, "BLOCK_BYTES", block_bytes):
        found = encodings.find_encoding(path)
        assert found == encoding
        read = delimited.read_header(path, found, delimiter)
        changes, asked = {}, {}
        text = header
        for piece in pieces:
            line = 1 + len(_lines(text)) - (not text.endswith(("\n", "\r")))
            if any(piece.erased):
                changes[line] = _remember(asked, line, piece.erased)
            text += piece.text(delimiter, is_erased=False)
        target = io.BytesIO()
        rewriting.write_anew(path, found, delimiter, read, changes, target)
    assert target.getvalue().decode(encoding) == expected
    assert target.getvalue() == expected.encode(encoding)
    # the cells were those that the reader finds
    assert list(asked.values()) == [list(piece.cells) for piece in pieces if any(piece.erased)]
    rows = csv.reader(io.StringIO(expected.removeprefix(header), newline=""), delimiter=delimiter)
    assert [row for row in rows if len(row) > 1] == [
        each.cells_erased() for each in pieces if len(each.cells) > 1
    ]


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline=""))


def _remember(asked: dict[int, list[str]], line: int, erased: Sequence[bool]) -> rewriting.Change:
    def change(cells: Sequence[str]) -> list[str]:
        asked[line] = list(cells)
        return [TOKEN if erase else cell for cell, erase in zip(cells, erased, strict=True)]

    return change


def test_a_line_without_a_record_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "landed"
    path.write_bytes(b"a,b\n1,2\n")
    header = delimited.read_header(path, "utf-8", ",")
    with pytest.raises(LookupError, match="line 3"):
        rewriting.write_anew(path, "utf-8", ",", header, {3: list}, io.BytesIO())


def _write_anew(path: Path, target: Path, row_numbers: Sequence[int]) -> None:
    def change(field: str | None, text: str) -> str:
        return f"{field} {len(text)}"

    with target.open("wb") as content:
        changes = dict.fromkeys(row_numbers, change)
        workbooks.write_anew(path, "lumina", "rut", ALIASES, changes, content)


def _rows(path: Path, aliases: Aliases = ALIASES) -> dict[int, workbooks.Row]:
    with workbooks.read(path, "lumina", "rut", aliases) as workbook:
        return {row.row_number: row for row in workbook.rows()}


@pytest.mark.parametrize("fixture", sorted(path.name for path in FIXTURES.glob("*.xlsx")))
def test_a_workbook_is_written_anew_with_every_other_row_as_it_was(
    fixture: str, tmp_path: Path
) -> None:
    former = _rows(FIXTURES / fixture)
    for erased in former:
        _write_anew(FIXTURES / fixture, tmp_path / "anew", [erased])
        again = _rows(tmp_path / "anew")
        assert {**again, erased: None} == {**former, erased: None}
        assert again[erased].cell_code == former[erased].cell_code


def test_nothing_of_a_person_stays_in_any_part_of_a_workbook(tmp_path: Path) -> None:
    """Texts are shared, links repeat mails, comments, properties and other sheets repeat all."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["RUT", "Nombre", "Correo", "Código", "Alta", "Hora", "Plazo", "Zona"])
    others = [date(2026, 3, 1), time(8, 30), timedelta(hours=30), "=1+1"]
    sheet.append(["18.273.645-7", "Marca Rojas", "marca@correo.cl", 1, *others])
    sheet.append(["12.345.678-5", "Ana", "ana@correo.cl", 7, *others])
    sheet.append([123456785, "=cmd", None, 7.5, *others])
    sheet["C2"].hyperlink = "mailto:marca@correo.cl"
    sheet["A2"].comment = Comment("Marca llamó", "Marca Rojas")
    sheet["D3"].number_format = sheet["A4"].number_format = "0000000000"
    sheet["B4"].data_type = "s"
    sheet.auto_filter.ref = "A1:H4"
    sheet.auto_filter.add_filter_column(1, ["Marca Rojas"])
    workbook.create_sheet("Borrador").append(["18273645-7", "Marca Rojas"])
    workbook.properties.creator = "Marca Rojas"
    path = tmp_path / "landed"
    workbook.save(path)
    assert any(b"Marca" in content for content in _parts(path))

    _write_anew(path, tmp_path / "anew", [2])
    assert [
        word
        for content in _parts(tmp_path / "anew")
        for word in (b"Marca", b"marca", b"18273645", b"18.273.645")
        if word in content
    ] == []
    former, again = _rows(path), _rows(tmp_path / "anew")
    assert former[4].customer_id == "0123456785"
    assert again == {
        **former,
        2: replace(
            former[2],
            customer_id="customer_id 12",
            name="name 11",
            mail="mail 15",
            usable_mail=None,
            attributes=json.dumps(
                {"Alta": "None 10", "Código": "None 1", "Hora": "None 8", "Plazo": "None 14"},
                ensure_ascii=False,
                separators=(",", ":"),
            ),
            attribute_length=7,
        ),
    }


def _parts(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


PAYMENT = {
    "event_id": 7,
    "occurred_at": "2026-03-01T10:00:00-03:00",
    "organization_id": "lumina",
    "payment_id": "p",
    "customer_id": "18273645-7",
    "product_id": "ñ",
    "due_date": "2026-03-20",
    "amount": 1000.10,
    "currency": "CLP",
    "channel": "x",
    "status": "y",
    "reason": "Marca no paga",
    "payer": "Marca",
}
ENROLLMENT = {
    "kind": "enrollment",
    **{name: PAYMENT[name] for name in event_lines.ENROLLMENT_REQUIRED if name in PAYMENT},
    "payment_method_id": "m",
    "type": "pac",
    "products": ["LUZ-1", 2],
    "holder": "Marca",
}
LINES = {
    "a payment": PAYMENT,
    "an enrollment": ENROLLMENT,
    "a payment with half a character": {**PAYMENT, "reason": "Marca \ud800"},
    "a payment without its date": {**PAYMENT, "due_date": "Marca"},
    "an enrollment of no list": {**ENROLLMENT, "products": "Marca"},
    "a kind that nobody knows": {**PAYMENT, "kind": "Marca"},
    "a kind that is no text": {**PAYMENT, "kind": ["Marca"]},
    "a list": ["Marca", "18273645-7"],
    "a text": "Marca 18273645-7",
    "no JSON": b"Marca 18273645-7 {",
    "no UTF-8": b'{"customer_id": "18273645-7", "payer": "Marca \xf1"}',
}
LINES_OF_BYTES = {
    name: line if isinstance(line, bytes) else json.dumps(line).encode()
    for name, line in LINES.items()
}


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("name", LINES_OF_BYTES)
def test_a_line_of_events_is_written_anew_and_read_as_it_was(
    name: str, line_end: bytes, tmp_path: Path
) -> None:
    line = LINES_OF_BYTES[name] + line_end
    again = event_lines.write_anew(line, lambda field, _: f"token of {field}")
    for word in (b"Marca", b"18273645"):
        assert word not in again
    assert again.endswith(line_end)
    assert again.count(b"\n") == line_end.count(b"\n")
    read = []
    for content in (line, again):
        (tmp_path / "range").write_bytes(content)
        read += event_lines.read_lines(tmp_path / "range", 3)
    before, after = read
    if isinstance(before, event_lines.Refusal):
        assert after == before
    else:
        fields = {**before.fields, "customer_id": "token of customer_id"}
        if "reason" in fields:
            fields["reason"] = "token of reason"
        assert after == replace(before, fields=fields)


def test_a_line_that_is_too_long_stays_so(tmp_path: Path) -> None:
    line = b'{"payer": "Marca"' + b" " * event_lines.LONGEST_LINE_BYTES + b"}\n"
    again = event_lines.write_anew(line, lambda _, text: text)
    assert (len(again), b"Marca" in again) == (len(line), False)
