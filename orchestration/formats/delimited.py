"""The parts of a delimited text file: its encoding, its header, its records.

This module handles bytes, line ends, delimiters and quotes. `text_files` decides what a column
means. Nothing is sniffed (R14): the contract gives the delimiter, the quote is `"`, and the
encodings are tried in a fixed order.

A file is read in blocks of whole lines. A block is ordinary when every line has the same number of
fields and no field is quoted. A few operations on the whole block prove this. The other blocks are
parsed record by record.

If all blocks are ordinary, DuckDB reads the landed file itself. Otherwise it reads a copy that
needs no quotes. The copy has one empty first line and then exactly one line for each physical line,
so that a row number is a line number:

- A record is on the line where it starts. Blank lines, and the further lines of a record with line
  ends in its cells, are filler lines: `FILLER` in the first field, nothing in the others.
- The delimiter is `COPY_DELIMITER`, whatever the original has.
- A character that would need quotes is written as `ESCAPE` and a letter (`ESCAPES`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

from orchestration.formats import limits
from orchestration.formats.blocks import Blocks
from orchestration.formats.encodings import (
    Encoding,
    UnreadableError,
    codec_of,
    count_lines,
    empty_file,
)
from orchestration.formats.quote_faults import quote_fault

MOST_COLUMNS = 16_384  # the maximum of a spreadsheet
_SEPARATOR_LINE = re.compile(r'"?sep=[^\r\n]"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The first record of a file.

    Args:
        names: the column names without surrounding blanks, including empty names.
        named_width: number of columns up to the last one that has a name.
        data_offset: byte offset of the first record.
        data_line: physical line number of the first record.
        line_end: the line end of the header; empty when the file ends with the header.
        is_plain: whether only a `sep=` line and the header, one line each, precede the records.

    """

    names: tuple[str, ...]
    named_width: int
    data_offset: int
    data_line: int
    line_end: str
    is_plain: bool


@dataclass(frozen=True)
class Records:
    """Where the records are and how DuckDB reads them: without quotes or escapes of its own.

    Args:
        path: the landed file, or its copy.
        is_copy: whether `path` is a copy.
        skipped_lines: number of lines of `path` before the records.
        first_line: physical line number, in the landed file, of the first line after those.
        delimiter: the delimiter of `path`.
        width: number of fields in each line of `path`.
        record_count: number of records; blank lines do not count.
        longest_line: upper bound of the bytes in a line of `path`.
        has_escapes: whether a cell may contain one of `ESCAPES`.
        has_fillers: whether a line may be a filler line.
        has_nameless_values: whether a column after the last named one has a value.

    """

    path: Path
    is_copy: bool
    skipped_lines: int
    first_line: int
    delimiter: str
    width: int
    record_count: int
    longest_line: int
    has_escapes: bool
    has_fillers: bool
    has_nameless_values: bool


def read_header(path: Path, encoding: Encoding, delimiter: str) -> Header:
    """Read the first record that is not blank, after an optional `sep=` line.

    Args:
        path: the landed file.
        encoding: the result of `find_encoding`.
        delimiter: one ASCII character, from the contract.

    Raises:
        UnreadableError: `empty_file` (no record at all), `too_many_columns`, `unclosed_quote`,
            `text_after_quote`, `record_too_long`.

    """
    offset = len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    with path.open("rb") as file:
        file.seek(offset)
        blocks = Blocks(file, first_line=1)
        for block in blocks:
            text = block.decode(codec_of(encoding))
            separator_line = _SEPARATOR_LINE.match(text) if blocks.line == 1 else None
            start = _find_filled_line(text, separator_line.end() if separator_line else 0)
            if start is None:
                offset += len(block)
                blocks.line += count_lines(text)
                continue
            line = blocks.line + count_lines(text[:start])
            reader = read_records(text[start:], delimiter)
            try:
                names = tuple(name.strip() for name in next(reader))
            except csv.Error:
                fault = quote_fault(text[start:], delimiter)
                if (
                    fault.is_open
                    and not blocks.is_at_end
                    and len(block) <= limits.LONGEST_RECORD_BYTES
                ):
                    blocks.give_back(block)
                    continue
                raise fault.error(line) from None
            record = "".join(islice(io.StringIO(text[start:], newline=""), reader.line_num))
            return _header(names, text[:start], record, offset=offset, line=line, encoding=encoding)
    raise empty_file()


def _find_filled_line(text: str, start: int) -> int | None:
    """Find the start of the first line, from `start` on, that is not blank."""
    filled = len(text) - len(text[start:].lstrip(" \t\r\n"))
    if filled == len(text):
        return None
    return max(text.rfind("\n", start, filled) + 1, text.rfind("\r", start, filled) + 1, start)


def _header(
    names: tuple[str, ...], before: str, record: str, *, offset: int, line: int, encoding: Encoding
) -> Header:
    """Describe the header `record` on `line`; `before` is the text between `offset` and it."""
    if len(names) > MOST_COLUMNS:
        raise UnreadableError(
            "too_many_columns",
            f"El encabezado tiene {len(names)} columnas; el máximo es {MOST_COLUMNS}.",
        )
    lines = list(io.StringIO(before + record, newline=""))
    line_ends = {each[len(each.rstrip("\r\n")) :] for each in lines}
    plain_lines = 2 if _SEPARATOR_LINE.match(before) else 1
    return Header(
        names=names,
        named_width=max((at for at, name in enumerate(names, 1) if name), default=0),
        data_offset=offset + len((before + record).encode(codec_of(encoding))),
        data_line=line + len(lines) - count_lines(before),
        line_end=lines[-1][len(lines[-1].rstrip("\r\n")) :],
        is_plain=(
            offset <= len(codecs.BOM_UTF8)
            and len(lines) == plain_lines
            and line_ends in ({"\n"}, {"\r\n"}, {""})
        ),
    )


def read_records(text: str, delimiter: str) -> Reader:
    """Parse the records of a text with a high field size limit: the blocks limit the size."""
    csv.field_size_limit(4 * limits.LONGEST_RECORD_BYTES)  # for the whole process
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def is_blank(row: list[str]) -> bool:
    """Return whether a row is empty or contains only blanks."""
    return not row or (len(row) == 1 and not row[0].strip())


def longest_line(text: bytes) -> int:
    """Return the length of the longest line, or a larger number that is still small."""
    if len(text) <= 4 * limits.BLOCK_BYTES:
        return len(text)
    return max(map(len, text.split(b"\n"))) + 1
