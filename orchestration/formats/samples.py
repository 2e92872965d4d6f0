"""What the columns of a file are taken for, even of a file that would be refused (R12).

For whoever agrees on a file before it is sent for the first time: a header with a fault is shown
with the fault, where a run refuses the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestration.contracts.organizations import REQUIRED, Aliases
from orchestration.formats.delimited import is_blank, read_header, read_records
from orchestration.formats.encodings import UnreadableError, codec_of, find_encoding
from orchestration.formats.file_columns import Layout, find_fields, name_attributes
from orchestration.formats.workbook_cells import text_of
from orchestration.formats.workbook_files import (
    MOST_COLUMNS,
    as_unreadable,
    check_parts,
    open_workbook,
    read_rows,
    rename_strict,
)
from orchestration.formats.workbooks import HEADER_IS_AMONG
from orchestration.landing.manifests import CUSTOMERS

MOST_EXAMPLES = 3
_ROWS_READ = 100
_BYTES_READ = 500_000


@dataclass(frozen=True)
class SampleColumn:
    """A column of a file.

    Args:
        position: from 1.
        name: as in the header, empty if it has none.
        field: the field that it is; None for an attribute.
        attribute: the name under which an attribute is kept; None for a field.
        is_doubled: whether another column is the same field, so that the file is refused.
        examples: the first different values.

    """

    position: int
    name: str
    field: str | None
    attribute: str | None
    is_doubled: bool
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """The columns of a file, and the required fields that none of them is.

    Nothing is in it if the file has no header that can be read.
    """

    columns: tuple[SampleColumn, ...] = ()
    missing: tuple[str, ...] = ()


def look(path: Path, layout: Layout, aliases: Aliases) -> Sample:
    """Find out what the columns of a file are taken for.

    Args:
        path: the file.
        layout: how to read it.
        aliases: the field that each header name means (R11).

    """
    try:
        if layout.kind == CUSTOMERS:
            names, rows = _read_workbook(path, layout, aliases)
        else:
            names, rows = _read_text(path, layout.delimiter)
    except UnreadableError:
        return Sample()
    return _describe(names, rows, layout, aliases)


def count_columns(path: Path, delimiter: str) -> int:
    """Return how many named columns the header of a text has under a delimiter."""
    try:
        return read_header(path, find_encoding(path), delimiter).named_width
    except UnreadableError:
        return 0


def _read_text(path: Path, delimiter: str) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    encoding = find_encoding(path)
    header = read_header(path, encoding, delimiter)
    with path.open("rb") as content:
        content.seek(header.data_offset)
        # The last character may be cut off.
        text = content.read(_BYTES_READ).decode(codec_of(encoding), errors="ignore")
    return header.names[: header.named_width], _first_records(text, delimiter)


def _first_records(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = read_records(text, delimiter)
    try:
        for row in islice(reader, _ROWS_READ):
            if not is_blank(row):
                yield row
    except csv.Error:
        return


def _read_workbook(
    path: Path, layout: Layout, aliases: Aliases
) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    """Return the header of the first sheet that has all required fields, else of all: of several
    rows, the one that has most fields.
    """
    best: tuple[Sequence[str], Iterable[Sequence[str]]] = ((), ())
    most = (False, 0)
    _has_formulas, is_strict = check_parts(path)
    with ExitStack() as stack, as_unreadable():
        # The library refuses the name of a landed file: pass the bytes.
        content = rename_strict(path) if is_strict else stack.enter_context(path.open("rb"))
        workbook = open_workbook(content, stack, data_only=True)
        for worksheet in workbook.worksheets:
            if worksheet.sheet_state != "visible":
                continue
            rows = [
                [text_of(cell) or "" for cell in cells[:MOST_COLUMNS]]
                for cells in islice(read_rows(worksheet), _ROWS_READ)
            ]
            for place, names in enumerate(rows[:HEADER_IS_AMONG]):
                fields = find_fields(names, layout, aliases)
                has = (fields.keys() >= set(REQUIRED[layout.kind]), len(fields))
                if has > most:
                    best, most = (names, rows[place + 1 :]), has
            if most[0]:
                break
    return best


def _describe(
    names: Sequence[str], rows: Iterable[Sequence[str]], layout: Layout, aliases: Aliases
) -> Sample:
    found = find_fields(names, layout, aliases)
    field_of = {position: name for name, positions in found.items() for position in positions}
    fields = {name: positions[0] for name, positions in found.items()}
    attributes = {
        position: name
        for name, position in name_attributes(names, fields, len(names))
        if position not in field_of
    }
    examples: list[dict[str, None]] = [{} for _name in names]
    for row in rows:
        for seen, cell in zip(examples, row, strict=False):
            if len(seen) < MOST_EXAMPLES and cell.strip():
                seen[cell.strip()] = None
    return Sample(
        columns=tuple(
            SampleColumn(
                position=position + 1,
                name=name,
                field=field_of.get(position),
                attribute=attributes.get(position),
                is_doubled=len(found.get(field_of.get(position, ""), ())) > 1,
                examples=tuple(examples[position]),
            )
            for position, name in enumerate(names)
        ),
        missing=tuple(name for name in REQUIRED[layout.kind] if name not in found),
    )
