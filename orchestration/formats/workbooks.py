"""Read and write workbooks (.xlsx) of customers (R26).

A cell becomes the text that people see: `12345678.0` is `12345678`, a formula is its value, a date
is `YYYY-MM-DD`, and an identifier is what its number format displays. A value that is not reliable,
such as an identifier that Excel turned into a date, becomes a code of its row. Errors of the
library are never raised: their text may quote cells (R30).

The library reads row by row, so that memory does not depend on the declared size of a sheet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.read_only import EmptyCell
from openpyxl.utils import get_column_letter

from orchestration.contracts.organizations import Aliases
from orchestration.formats.encodings import UnreadableError
from orchestration.formats.file_columns import (
    Column,
    Layout,
    describe_columns,
    find_fields,
    map_columns,
    name_attributes,
)
from orchestration.formats.workbook_cells import (
    NO_IDS,
    as_shown,
    find_cell_code,
    find_id_code,
    text_of,
    usable_mail,
)
from orchestration.formats.workbook_files import (
    LARGEST_CONTENT_BYTES,
    MOST_COLUMNS,
    as_unreadable,
    check_parts,
    open_workbook,
    read_rows,
    rename_strict,
    unreadable_workbook,
)
from orchestration.landing.manifests import CUSTOMERS

# Returns the new text for a field's name (None for an attribute) and its text.
Change = Callable[[str | None, str], str]
MOST_ROWS = 1_048_576
# A title, rows of a logo or a note may be above the header.
HEADER_IS_AMONG = 20
_ABOVE_HEADER = "borrado"


@dataclass(frozen=True)
class Row:
    """A row of customers; every value is text.

    Args:
        row_number: as Excel displays it, from 1.
        customer_id: as in the sheet.
        name: as in the sheet.
        mail: as in the sheet.
        usable_mail: the normalized address if it is valid, else None.
        cell_code: why a required cell cannot be read, or None (R15).
        check_digit: the check digit of a RUT, if it has a column of its own.
        attributes: the other columns as a JSON object of texts, or None if they are empty (R12).
        attribute_length: the length of the longest attribute, in characters.

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
    """The sheet to read, and the position of its columns.

    Args:
        title: the sheet's name.
        other_titles: the sheets that are not read.
        header_row: the row of the column names, from 1.
        columns: the position of each field, from 0.
        names: the column names, empty where a column has none.

    """

    title: str
    other_titles: tuple[str, ...]
    header_row: int
    columns: Mapping[str, int]
    names: tuple[str, ...]

    def describe_columns(self) -> tuple[Column, ...]:
        """Say what each column that has a name is taken for."""
        attributes = name_attributes(self.names, self.columns, len(self.names))
        named = [(name, position) for name, position in attributes if self.names[position]]
        return describe_columns(self.names, self.columns, named)

    def place(self, field: str) -> str:
        """Return the column of a field as a user sees it: `B (Nombre)`."""
        position = self.columns[field]
        return f"{get_column_letter(position + 1)} ({self.names[position]})"


class Workbook:
    """An open workbook; `sheet` is the sheet to read."""

    def __init__(self, values: Any, formulas: Any, layout: Layout, aliases: Aliases) -> None:
        self._values = values
        self._formulas = formulas
        self.is_rut = layout.customer_id_scheme == "rut"
        self.sheet = _choose_sheet(values, layout, aliases)

    def cells(self) -> Iterator[tuple[int, Sequence[Any], Sequence[Any]]]:
        """Yield every row of the sheet: its number, its cells, and its formulas if any."""
        formulas = self._formulas and _cells(self._formulas[self.sheet.title])
        for number, cells in _cells(self._values[self.sheet.title]):
            yield number, cells, next(formulas)[1] if formulas else ()

    def rows(self) -> Iterator[Row]:
        """Yield the rows of customers in order; blank rows are skipped.

        Raises:
            UnreadableError: the sheet is broken or has no rows (R16).

        """
        attribute_names = _name_positions(self.sheet)
        count = length = 0
        with as_unreadable():
            for number, cells, formula_cells in self.cells():
                if number <= self.sheet.header_row:
                    continue
                texts = [text_of(cell) for cell in cells]
                # A text that many cells share is once in the file.
                length += sum(len(text) for text in texts if text)
                if length > LARGEST_CONTENT_BYTES:
                    raise unreadable_workbook("workbook_too_large")
                if any(texts):
                    count += 1
                    yield self._make_row(number, cells, formula_cells, texts, attribute_names)
        if count == 0:
            raise unreadable_workbook("empty_file")

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

        # A row may be shorter than the header: blank cells at its end are optional.
        attributes = {
            name: value
            for name, value in zip(attribute_names, texts, strict=False)
            if name is not None and value is not None
        }
        customer_id = text("customer_id")
        if customer_id is not None:
            customer_id = as_shown(cells[columns["customer_id"]], customer_id)
        mail = text("mail")
        return Row(
            row_number=number,
            customer_id=customer_id,
            name=text("name"),
            mail=mail,
            usable_mail=usable_mail(mail),
            cell_code=find_cell_code(cells, formula_cells, columns, is_rut=self.is_rut),
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
    """Open a workbook of customers for the duration of the context.

    Reads the first visible sheet that has, among its first rows, a row with the required column
    names. Hidden rows and columns are read, too. Of merged cells, the first has the value.

    Args:
        path: the file.
        organization_id: the organization whose header names apply (R11).
        customer_id_scheme: `rut` or `external_id`, for workbooks that have a column of each.
        aliases: the field that each header name means.

    Raises:
        UnreadableError: it is no workbook, is broken or too large, or no sheet has the required
            columns (R16).

    """
    has_formulas, is_strict = check_parts(path)
    with ExitStack() as stack:
        with as_unreadable():
            # The library refuses the name of a landed file, which is its hash: pass the bytes.
            content = rename_strict(path) if is_strict else stack.enter_context(path.open("rb"))
            values = open_workbook(content, stack, data_only=True)
            formulas = open_workbook(content, stack, data_only=False) if has_formulas else None
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
    """Rewrite the sheet that is read, with other cells in some rows; the others read the same.

    Everything that is not read is dropped: other sheets, comments, links, properties, formulas that
    have a value. A word takes the place of each text above the header, so that the header is among
    the first rows again.

    Args:
        path: a readable workbook.
        organization_id: as for `read`.
        customer_id_scheme: as for `read`.
        aliases: as for `read`.
        changes: by row number, the function that returns the new text for a field's name (None for
            a column that is no field) and its text. For a valid mail, the text is the address.
        target: the file to write to.

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
                text = text_of(cell)
                if value is None:
                    value, data_type = ("=1", "f") if is_formula else (None, "n")
                elif number < workbook.sheet.header_row:
                    value, data_type = (None, "n") if text is None else (_ABOVE_HEADER, "s")
                elif number in changes and text is not None and data_type != "e":
                    if field == "customer_id":
                        text = as_shown(cell, text)
                    elif field == "mail":
                        text = usable_mail(text) or text
                    value, data_type = changes[number](field, text), "s"
                    if field == "customer_id":
                        code = find_id_code(cell, is_rut=workbook.is_rut)
                        value = NO_IDS.get(code or "", value)
                written_cell = WriteOnlyCell(sheet, value)
                if isinstance(value, str):
                    # Keep the original type: the library would take some texts for formulas or
                    # errors.
                    written_cell.data_type = data_type
                # The new id of a changed row is displayed as it is, whatever the old format was.
                if not isinstance(cell, EmptyCell) and (
                    field != "customer_id" or number not in changes
                ):
                    written_cell.number_format = cell.number_format
                row.append(written_cell)
            sheet.append(row)
        written.save(target)


def _choose_sheet(workbook: Any, layout: Layout, aliases: Aliases) -> Sheet:
    """Find the first sheet with a header: of its first rows, the one with most fields."""
    refusal: UnreadableError | None = None
    with as_unreadable():
        visible = [each for each in workbook.worksheets if each.sheet_state == "visible"]
        for worksheet in visible:
            best: Sheet | None = None
            for number, cells in _first_rows(worksheet):
                names = tuple(text_of(cell) or "" for cell in cells)
                if best is not None and _is_of_a_customer(names, best):
                    break
                try:
                    columns = map_columns(names, layout, aliases)
                except UnreadableError as error:
                    most = 0 if best is None else len(best.columns)
                    if error.code == "doubled_column" and most < len(
                        find_fields(names, layout, aliases)
                    ):
                        raise
                    refusal = refusal or error
                    continue
                if best is None or len(columns) > len(best.columns):
                    others = (each.title for each in workbook.worksheets if each is not worksheet)
                    best = Sheet(worksheet.title, tuple(others), number, columns, names)
            if best is not None:
                return best
    raise refusal or unreadable_workbook("empty_file")


def _is_of_a_customer(texts: Sequence[str], header: Sheet) -> bool:
    """Whether a row has an id and a name below a header: the header of a table is above it."""
    customer_id, name = (
        texts[place] if place < len(texts) else ""
        for place in (header.columns["customer_id"], header.columns["name"])
    )
    return bool(name) and any(character.isdigit() for character in customer_id)


def _first_rows(worksheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    found = 0
    for number, cells in _cells(worksheet):
        if any(map(text_of, cells)):
            yield number, cells
            found += 1
            if found == HEADER_IS_AMONG:
                return


def _cells(worksheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield each row with its number, including blank rows."""
    for number, cells in enumerate(read_rows(worksheet), start=1):
        if number > MOST_ROWS:
            raise unreadable_workbook("workbook_too_large")
        if len(cells) > MOST_COLUMNS:
            if any(text_of(cell) for cell in cells[MOST_COLUMNS:]):
                raise unreadable_workbook("too_many_columns")
            yield number, cells[:MOST_COLUMNS]
        else:
            yield number, cells


def _name_positions(sheet: Sheet) -> list[str | None]:
    """Return the name of each column that is no field, by position."""
    names = (*sheet.names, *[""] * (MOST_COLUMNS - len(sheet.names)))
    positions: list[str | None] = [None] * MOST_COLUMNS
    for name, position in name_attributes(names, sheet.columns, MOST_COLUMNS):
        positions[position] = name
    return positions
