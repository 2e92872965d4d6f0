"""Workbooks (.xlsx) of customers: from bytes to rows of text, and the empty template (R26).

A cell becomes text as people see it: `12345678.0` is `12345678`, a formula is its value, a date is
`YYYY-MM-DD`, and an identifier has what its number format shows. What a cell cannot say reliably,
such as an identifier that Excel has made a date, becomes a code of its row. Nothing that goes wrong
with a file raises the library's own error: its words may quote cells (R30).

The library reads row by row, so that memory does not follow what a sheet claims to hold.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import openpyxl
from email_validator import EmailNotValidError, validate_email
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.read_only import EmptyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from orchestration.contracts import Aliases, Organization
from orchestration.delimited import UnreadableError
from orchestration.landing import CUSTOMERS
from orchestration.number_formats import show_number, show_text
from orchestration.reading import Layout, map_columns, name_attributes

# What gives the new text of a field's name, None for an attribute, and its text.
Change = Callable[[str | None, str], str]

LARGEST_FILE_BYTES = 50_000_000
LARGEST_CONTENT_BYTES = 1_000_000_000
# The one part that the library keeps in memory as a whole.
LARGEST_TEXTS_BYTES = 200_000_000
MOST_PARTS = 1_000
MOST_COLUMNS = 256
MOST_ROWS = 1_048_576
# Above the header there may be a title, a logo's rows, a note.
HEADER_IS_AMONG = 20

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CHUNK = 1 << 20
_MOST_EXACT_DIGITS = 15
_FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
# How the file format writes a character that XML has no other form for.
_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# What «Strict Open XML» calls the same things by; names stand at the beginning of a part.
_STRICT_NAMES: Mapping[bytes, bytes] = {
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    ),
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ),
}
# What is nobody's, and refused like what stood there.
_NO_IDS: Mapping[str, Any] = {
    "date_as_customer_id": date(1970, 1, 1),
    "inexact_id": 10**_MOST_EXACT_DIGITS,
}
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))

# What is said of a file that cannot be read (R16).
_MESSAGES: Mapping[str, str] = {
    "not_a_workbook": "El archivo no es un libro de Excel (.xlsx) o está dañado.",
    "protected_workbook": (
        "El libro tiene contraseña o es de un Excel antiguo (.xls): guárdelo como .xlsx sin"
        " contraseña."
    ),
    "workbook_too_large": "El libro es demasiado grande: divídalo en varios.",
    "too_many_columns": f"El libro tiene datos más allá de la columna {MOST_COLUMNS}.",
    "empty_file": "El libro no trae clientes.",
}


@dataclass(frozen=True)
class Row:
    """A row of customers, all text.

    Args:
        row_number: as Excel shows it, from 1.
        customer_id: as it stands in the sheet.
        name: as it stands in the sheet.
        mail: as it stands in the sheet.
        usable_mail: the address in its usual form if it can be written to, else None.
        cell_code: why a required cell cannot be read, None if it can (R15).
        check_digit: of a RUT, where it has a column of its own.
        attributes: the other columns as a JSON object of texts, None if they are empty (R12).
        attribute_length: the length of the longest of them, in characters.

    """

    row_number: int
    customer_id: str | None
    name: str | None
    mail: str | None
    usable_mail: str | None
    cell_code: str | None
    check_digit: str | None
    attributes: str | None
    attribute_length: int | None


@dataclass(frozen=True)
class Sheet:
    """The sheet of a workbook that is read, and where its columns are.

    Args:
        title: the sheet's name.
        other_titles: the sheets that are not read.
        header_row: where the column names are, from 1.
        columns: the position of each field, from 0.
        names: of the columns, empty where there is none.

    """

    title: str
    other_titles: tuple[str, ...]
    header_row: int
    columns: Mapping[str, int]
    names: tuple[str, ...]

    def place(self, field: str) -> str:
        """Where a field's column is, in the words of whoever looks at the sheet: `B (Nombre)`."""
        position = self.columns[field]
        return f"{get_column_letter(position + 1)} ({self.names[position]})"


class Workbook:
    """An open workbook; `sheet` says what of it is read."""

    def __init__(self, values: Any, formulas: Any, layout: Layout, aliases: Aliases) -> None:
        self._values = values
        self._formulas = formulas
        self.is_rut = layout.customer_id_scheme == "rut"
        self.sheet = _choose_sheet(values, layout, aliases)

    def cells(self) -> Iterator[tuple[int, Sequence[Any], Sequence[Any]]]:
        """Every row of the sheet: its number, its cells, and the same as formulas if there are."""
        formulas = self._formulas and _cells(self._formulas[self.sheet.title])
        for number, cells in _cells(self._values[self.sheet.title]):
            yield number, cells, next(formulas)[1] if formulas else ()

    def rows(self) -> Iterator[Row]:
        """The rows of customers in order; blank rows are passed over.

        Raises:
            UnreadableError: the sheet is broken or has no rows (R16).

        """
        attribute_names = _name_positions(self.sheet)
        count = 0
        with _as_unreadable():
            for number, cells, formula_cells in self.cells():
                if number <= self.sheet.header_row:
                    continue
                texts = [_text(cell) for cell in cells]
                if any(texts):
                    count += 1
                    yield self._make_row(number, cells, formula_cells, texts, attribute_names)
        if count == 0:
            raise _unreadable("empty_file")

    def _make_row(
        self,
        number: int,
        cells: Sequence[Any],
        formula_cells: Sequence[Any],
        texts: Sequence[str | None],
        attribute_names: Sequence[str | None],
    ) -> Row:
        columns = self.sheet.columns

        def text(field: str) -> str | None:
            position = columns.get(field, len(texts))
            return texts[position] if position < len(texts) else None

        # A row may be shorter than the header: blank cells at its end need not be stored.
        attributes = {
            name: value
            for name, value in zip(attribute_names, texts, strict=False)
            if name is not None and value is not None
        }
        customer_id = text("customer_id")
        if customer_id is not None:
            customer_id = _as_shown(cells[columns["customer_id"]], customer_id)
        mail = text("mail")
        return Row(
            row_number=number,
            customer_id=customer_id,
            name=text("name"),
            mail=mail,
            usable_mail=_usable_mail(mail),
            cell_code=_find_cell_code(cells, formula_cells, columns, is_rut=self.is_rut),
            check_digit=text("check_digit"),
            attributes=(
                json.dumps(attributes, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
                if attributes
                else None
            ),
            attribute_length=max(map(len, attributes.values()), default=None),
        )


@contextmanager
def read(
    path: Path, organization_id: str, customer_id_scheme: str, aliases: Aliases
) -> Iterator[Workbook]:
    """Open a workbook of customers for as long as the context lasts.

    The sheet that is read is the first visible one with a row that names the required columns,
    among its first rows. Hidden rows and columns are read like any other; of merged cells the first
    holds the value.

    Args:
        path: the file.
        organization_id: whose header names count (R11).
        customer_id_scheme: `rut` or `external_id`, for workbooks that have a column of each.
        aliases: which header name means which field.

    Raises:
        UnreadableError: it is no workbook, is broken, or is larger than the limits above, or no
            sheet has the required columns (R16).

    """
    has_formulas, is_strict = _check_parts(path)
    with ExitStack() as stack:
        with _as_unreadable():
            # By its name the library would refuse a landed file, which is called by its hash.
            content = _rename_strict(path) if is_strict else stack.enter_context(path.open("rb"))
            values = _open(content, stack, data_only=True)
            formulas = _open(content, stack, data_only=False) if has_formulas else None
        layout = Layout(organization_id, CUSTOMERS, "", customer_id_scheme)
        yield Workbook(values, formulas, layout, aliases)


def write_anew(
    path: Path,
    organization_id: str,
    customer_id_scheme: str,
    aliases: Aliases,
    changes: Mapping[int, Change],
    target: IO[bytes],
) -> None:
    """Write the sheet that is read again, with other cells in some rows; all others read the same.

    What nobody reads is left out: other sheets, comments, links, properties, formulas that have a
    value.

    Args:
        path: a readable workbook.
        organization_id: as for `read`.
        customer_id_scheme: as for `read`.
        aliases: as for `read`.
        changes: by row number, what gives the new text for a field's name (None for a column that
            is no field) and text; of a mail that can be written to, the address is the text.
        target: where the workbook goes.

    Raises:
        UnreadableError: the workbook cannot be read.

    """
    with read(path, organization_id, customer_id_scheme, aliases) as workbook:
        written = openpyxl.Workbook(write_only=True)
        sheet = written.create_sheet("Clientes")
        fields = {position: name for name, position in workbook.sheet.columns.items()}
        for number, cells, formula_cells in workbook.cells():
            row = []
            for position, cell in enumerate(cells):
                is_formula = position < len(formula_cells) and (
                    formula_cells[position].data_type == "f"
                )
                value, data_type = cell.value, cell.data_type
                field = fields.get(position)
                text = _text(cell)
                if value is None:
                    value, data_type = ("=1", "f") if is_formula else (None, "n")
                elif number in changes and text is not None and data_type != "e":
                    if field == "customer_id":
                        text = _as_shown(cell, text)
                    elif field == "mail":
                        text = _usable_mail(text) or text
                    value, data_type = changes[number](field, text), "s"
                    if field == "customer_id":
                        code = _find_id_code(cell, is_rut=workbook.is_rut)
                        value = _NO_IDS.get(code or "", value)
                written_cell = WriteOnlyCell(sheet, value)
                if isinstance(value, str):
                    # What looks like a formula or an error to the library is what it was.
                    written_cell.data_type = data_type
                # The new id of a changed row is shown as it is, whatever the former was.
                if not isinstance(cell, EmptyCell) and (
                    field != "customer_id" or number not in changes
                ):
                    written_cell.number_format = cell.number_format
                row.append(written_cell)
            sheet.append(row)
        written.save(target)


def write_template(organization: Organization) -> bytes:
    """An empty workbook for an organization to fill in, with a sheet that explains its columns."""
    workbook = openpyxl.Workbook()
    customers, notes = workbook.active, workbook.create_sheet("Instrucciones")
    customers.title = "Clientes"
    columns = _explain_columns(organization)
    customers.append([name for name, _, _ in columns])
    notes.append(["Columna", "Obligatoria", "Qué va en ella"])
    for position, (name, is_required, explanation) in enumerate(columns, start=1):
        notes.append([name, "sí" if is_required else "no", explanation])
        column = customers.column_dimensions[get_column_letter(position)]
        column.width, column.number_format = 32, "@"
    for text in (
        "Una fila por cliente, en la hoja Clientes. No cambie los nombres de las columnas.",
        "Puede agregar otras columnas: se guardan junto al cliente.",
        "Si sube de nuevo a un cliente, se actualiza: nunca queda repetido.",
    ):
        notes.append([text])
    for sheet in (customers, notes):
        sheet.freeze_panes = "A2"
        for cell in sheet[1]:
            cell.font = Font(bold=True)
    for letter, width in (("A", 24), ("B", 14), ("C", 90)):
        notes.column_dimensions[letter].width = width
    for cell in notes["C"]:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def _explain_columns(organization: Organization) -> list[tuple[str, bool, str]]:
    if organization.customer_id_scheme == "rut":
        customer_id = ("RUT", True, "El RUT con su dígito verificador, por ejemplo 12.345.678-5.")
    else:
        customer_id = (
            "Identificador",
            True,
            "El identificador con que su organización conoce al cliente, tal como va en su archivo"
            " de deudas. La columna es de texto, para que Excel no borre los ceros iniciales.",
        )
    return [
        customer_id,
        ("Nombre", True, "El nombre del cliente."),
        ("Correo", False, "Una dirección de correo. Sin ella el cliente no recibe campañas."),
    ]


def is_protected(content: IO[bytes]) -> bool:
    """Whether a file is an old or encrypted workbook, by its first bytes."""
    return content.read(len(_OLE)) == _OLE


def _check_parts(path: Path) -> tuple[bool, bool]:
    """Refuse what is no workbook or unpacks to too much.

    Returns:
        Whether there are formulas in it, and whether it is «Strict Open XML».

    """
    # Each part is unpacked once: Python's zipfile never yields more than a part declares, and what
    # is declared has been added up before.
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise _unreadable("workbook_too_large")
    with path.open("rb") as content:
        if is_protected(content):
            raise _unreadable("protected_workbook")
    has_formulas, is_strict = False, False
    with _as_unreadable(), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        texts = sum(each.file_size for each in parts if "sharedStrings" in each.filename)
        if (
            len(parts) > MOST_PARTS
            or sum(each.file_size for each in parts) > LARGEST_CONTENT_BYTES
            or texts > LARGEST_TEXTS_BYTES
        ):
            raise _unreadable("workbook_too_large")
        if any(each.flag_bits & 1 for each in parts):
            raise _unreadable("protected_workbook")
        for each in parts:
            is_sheet = "worksheets/" in each.filename
            with archive.open(each) as part:
                end = b""
                while chunk := part.read(_CHUNK):
                    is_strict = is_strict or any(name in chunk for name in _STRICT_NAMES)
                    if is_sheet and not has_formulas:
                        has_formulas = _FORMULA.search(end + chunk) is not None
                        end = chunk[-16:]
    return has_formulas, is_strict


def _rename_strict(path: Path) -> BytesIO:
    """The same workbook by the names that the library knows, no larger than the file may be."""
    renamed = BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(renamed, "w", zipfile.ZIP_DEFLATED) as to:
        for each in source.infolist():
            with source.open(each) as part, to.open(each.filename, "w") as written:
                beginning = part.read(_CHUNK)
                for strict, usual in _STRICT_NAMES.items():
                    beginning = beginning.replace(strict, usual)
                written.write(beginning)
                while chunk := part.read(_CHUNK):
                    written.write(chunk)
    return renamed


def _open(content: IO[bytes], stack: ExitStack, *, data_only: bool) -> Any:
    workbook = openpyxl.load_workbook(
        content, read_only=True, data_only=data_only, keep_links=False
    )
    stack.callback(workbook.close)
    return workbook


@contextmanager
def _as_unreadable() -> Iterator[None]:
    """Turn whatever the library says of a broken file into one code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UnreadableError, MemoryError):
        raise
    except Exception:
        raise _unreadable("not_a_workbook") from None


def _unreadable(code: str) -> UnreadableError:
    return UnreadableError(code, _MESSAGES[code])


def _choose_sheet(workbook: Any, layout: Layout, aliases: Aliases) -> Sheet:
    refusal: UnreadableError | None = None
    with _as_unreadable():
        visible = [each for each in workbook.worksheets if each.sheet_state == "visible"]
        for worksheet in visible:
            for number, cells in _first_rows(worksheet):
                names = tuple(_text(cell) or "" for cell in cells)
                try:
                    columns = map_columns(names, layout, aliases)
                except UnreadableError as error:
                    if error.code == "doubled_column":
                        raise
                    refusal = refusal or error
                    continue
                others = (each.title for each in workbook.worksheets if each is not worksheet)
                return Sheet(worksheet.title, tuple(others), number, columns, names)
    raise refusal or _unreadable("empty_file")


def _first_rows(worksheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    found = 0
    for number, cells in _cells(worksheet):
        if any(map(_text, cells)):
            yield number, cells
            found += 1
            if found == HEADER_IS_AMONG:
                return


def _cells(worksheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    """Each row with its number, blank rows included."""
    # What a sheet says of its own size is a claim; without it every cell is given.
    worksheet.reset_dimensions()
    for number, cells in enumerate(worksheet.iter_rows(), start=1):
        if number > MOST_ROWS:
            raise _unreadable("workbook_too_large")
        if len(cells) > MOST_COLUMNS:
            if any(_text(cell) for cell in cells[MOST_COLUMNS:]):
                raise _unreadable("too_many_columns")
            yield number, cells[:MOST_COLUMNS]
        else:
            yield number, cells


def _name_positions(sheet: Sheet) -> list[str | None]:
    """The name of each column that is no field, by its position."""
    names = (*sheet.names, *[""] * (MOST_COLUMNS - len(sheet.names)))
    positions: list[str | None] = [None] * MOST_COLUMNS
    for name, position in name_attributes(names, sheet.columns, MOST_COLUMNS):
        positions[position] = name
    return positions


def _find_cell_code(
    cells: Sequence[Any],
    formula_cells: Sequence[Any],
    columns: Mapping[str, int],
    *,
    is_rut: bool,
) -> str | None:
    """Why a required cell of a row cannot be read, the identifier's before the name's."""
    for field in ("customer_id", "name"):
        position = columns[field]
        if position >= len(cells):
            continue
        cell = cells[position]
        if cell.data_type == "e":
            return "cell_error"
        if (
            cell.value is None
            and position < len(formula_cells)
            and formula_cells[position].data_type == "f"
        ):
            return "formula_without_value"
        if field == "customer_id" and (code := _find_id_code(cell, is_rut=is_rut)) is not None:
            return code
    return None


def _find_id_code(cell: Any, *, is_rut: bool) -> str | None:
    """Why a cell that has a value cannot be an identifier.

    A RUT is told by its check digit, so that it may be shown with any decimals or marks.
    """
    value = cell.value
    if isinstance(value, date | time | timedelta):
        return "date_as_customer_id"
    if isinstance(value, int | float) and abs(value) >= 10**_MOST_EXACT_DIGITS:
        return "inexact_id"
    if value is not None and not is_rut and _shown(cell) is None:
        return "inexact_id"
    return None


def _as_shown(cell: Any, text: str) -> str:
    """An identifier as it is seen: a number with what its format puts before and between.

    Its blanks are left as they are: what looks the same is made the same in SQL, for every kind of
    file (R1).
    """
    return _shown(cell) or text


def _shown(cell: Any) -> str | None:
    """What a cell shows of its value; None where that is something else, such as a word."""
    if isinstance(cell.value, str):
        return show_text(_decoded(cell.value), cell.number_format)
    if isinstance(cell.value, bool) or not isinstance(cell.value, int | float):
        return None
    return show_number(cell.value, cell.number_format)


def _decoded(value: str) -> str:
    """A text with the characters that the file format writes as `_x000D_`."""
    if "_x" not in value:
        return value
    decoded = _ENCODED.sub(lambda match: chr(int(match[1], 16)), value).replace("\0", "")
    # Beyond the first plane a character is written as two halves; half of one is none.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(cell: Any) -> str | None:
    """A cell's value as one line of text, None for a blank cell."""
    value = cell.value
    if isinstance(value, str):
        # Blanks of every kind are one space; what nobody sees is gone.
        value = _decoded(value)
        visible = value if value.isascii() else value.translate(_INVISIBLE)
        return " ".join(visible.split()) or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def _usable_mail(text: str | None) -> str | None:
    """An address in its usual form if it can be written to, without asking any server."""
    if text is None:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        return None
