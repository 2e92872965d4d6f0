"""Check, block by block, that each record of a delimited file is whole (R12)."""

from __future__ import annotations

import csv
import io
import tempfile
from itertools import islice
from pathlib import Path
from typing import IO

from orchestration.formats import limits
from orchestration.formats.blocks import Blocks
from orchestration.formats.delimited import Header, Records, is_blank, longest_line, read_records
from orchestration.formats.encodings import Encoding, UnreadableError, all_bytes_but, codec_of
from orchestration.formats.quote_faults import quote_fault, refuse_swallowed_records

COPY_DELIMITER = "\x1f"
ESCAPE = "\x1b"
FILLER = ESCAPE + "x"
# ESCAPE itself is escaped first and unescaped last.
ESCAPES = {
    ESCAPE: ESCAPE + "e",
    COPY_DELIMITER: ESCAPE + "d",
    "\n": ESCAPE + "n",
    "\r": ESCAPE + "r",
}
# DuckDB would take a BOM in the first cell of a copy as the BOM of the copy.
_FIRST_LINE_OF_COPY = b"\n"
_QUOTE = b'"'
_ESCAPED = (ESCAPE.encode(), COPY_DELIMITER.encode())


class _NeedsCopyError(Exception):
    """The landed file is not ordinary as a whole: DuckDB must read a copy."""


def check_records(
    path: Path, encoding: Encoding, delimiter: str, header: Header, scratch: Path
) -> Records:
    """Check every record against the header and decide how DuckDB reads the records (R16).

    Trailing empty fields beyond the header are accepted. So are records without the header's
    trailing nameless columns. Blank lines are not records.

    Args:
        path: the landed file.
        encoding: the result of `find_encoding`.
        delimiter: one ASCII character, from the contract.
        header: the result of `read_header`; at least two columns have a name.
        scratch: an existing folder for the copy, if one is needed; the caller removes the copy.

    Raises:
        UnreadableError: `wrong_field_count`, `unclosed_quote`, `text_after_quote`,
            `record_too_long`, each with the line.

    """
    if encoding != "cp1252" and header.is_plain:
        try:
            return _Check(path, encoding, delimiter, header, copy=None).run(path)
        except _NeedsCopyError:
            pass
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".csv", delete=False) as copy:
        target = Path(copy.name)
        try:
            return _Check(path, encoding, delimiter, header, copy).run(target)
        except BaseException:
            target.unlink()
            raise


class _Check:
    """One pass over the records.

    Args:
        path: the landed file.
        encoding: its encoding.
        delimiter: one ASCII character.
        header: its header.
        copy: the file to write the copy to. None: DuckDB reads the landed file itself.

    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        delimiter: str,
        header: Header,
        copy: IO[bytes] | None,
    ) -> None:
        self._path = path
        self._codec = codec_of(encoding)
        self._delimiter = delimiter
        self._separator = delimiter.encode()
        self._header = header
        self._copy = copy
        self._line_end = b"\r\n" if copy is None and header.line_end == "\r\n" else b"\n"
        self._cell_bytes = all_bytes_but(self._separator + b"\r\n")
        self._cell_bytes_but_quotes = all_bytes_but(self._separator + b"\n" + _QUOTE)
        self._to_copy = bytes.maketrans(self._separator, COPY_DELIMITER.encode())
        self._width = len(header.names) if copy is not None else 0
        self._record_count = 0
        self._longest_line = 0
        self._has_escapes = False
        self._has_fillers = False
        self._has_nameless_values = False

    def run(self, target: Path) -> Records:
        """Check all records; `target` is the file that DuckDB will read."""
        header = self._header
        with self._path.open("rb") as file:
            file.seek(header.data_offset)
            blocks = Blocks(file, header.data_line)
            if self._copy is not None:
                self._copy.write(_FIRST_LINE_OF_COPY)
            for block in blocks:
                text = self._as_ordinary(block)
                if text is not None:
                    lines = text.count(b"\n")
                    self._record_count += lines
                elif self._copy is not None:
                    text, lines, rest = self._parsed(block, blocks.line, blocks.is_at_end)
                    blocks.give_back(rest)
                else:
                    raise _NeedsCopyError
                if self._copy is not None:
                    self._copy.write(text)
                blocks.line += lines
                self._longest_line = max(self._longest_line, longest_line(text))
        return Records(
            path=target,
            is_copy=self._copy is not None,
            skipped_lines=header.data_line - 1 if self._copy is None else 1,
            first_line=header.data_line,
            delimiter=self._delimiter if self._copy is None else COPY_DELIMITER,
            width=self._width or len(header.names),
            record_count=self._record_count,
            longest_line=self._longest_line,
            has_escapes=self._has_escapes,
            has_fillers=self._has_fillers,
            has_nameless_values=self._has_nameless_values,
        )

    def _as_ordinary(self, block: bytes) -> bytes | None:
        """Return an ordinary block as DuckDB will read it, or None if it is not ordinary.

        Without a copy this is the block itself, with a line end at its end.
        """
        text = block if self._copy is None else self._with_plain_characters(block)
        if not text.endswith(b"\n"):
            text += self._line_end
        if self._has_quoted_field(text):
            unquoted = self._without_quotes(text) if self._copy is not None else None
            if unquoted is None:
                return None
            text = unquoted
        fields = self._fields_per_line(text)
        if fields is None or not self._are_nameless_fields_right(text, fields):
            return None
        if self._copy is None:
            self._width = self._width or fields
            return text if fields == self._width else None
        return self._with_copy_width(text, fields).translate(self._to_copy)

    def _with_plain_characters(self, block: bytes) -> bytes:
        """Return the block in UTF-8, with LF line ends, and escaped where no parsing is needed.

        If a quoted cell contains a line end, the block is not ordinary and this text is not used.
        """
        text = block
        if self._codec == "cp1252" and not text.isascii():
            text = text.decode("cp1252").encode()
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for character in _ESCAPED:
            if character in text:
                self._has_escapes = True
                text = text.replace(character, ESCAPES[character.decode()].encode())
        return text

    def _has_quoted_field(self, text: bytes) -> bool:
        """Return whether a field starts with a quote; elsewhere a quote has no meaning."""
        return _QUOTE in text and (
            text.startswith(_QUOTE) or self._separator + _QUOTE in text or b"\n" + _QUOTE in text
        )

    def _without_quotes(self, text: bytes) -> bytes | None:
        """Remove the quotes if none of them protects a special character, else return None.

        Why this is safe: split the text at every delimiter and line end, quoted or not. Assume that
        each part has its quotes in pairs, and that the number of parts that start with a quote, and
        of parts that end with one, equals the number of pairs. Then each part with quotes has just
        these two: it is one quoted field without a delimiter, line end or quote. So the split was
        right.
        """
        skeleton = text.translate(None, self._cell_bytes_but_quotes)
        line = skeleton[: skeleton.index(b"\n") + 1]
        repeats = len(skeleton) // len(line)
        if line * repeats == skeleton:
            skeleton = line  # one line stands for all, which saves most of the work
        else:
            repeats = 1
        bare = skeleton.replace(_QUOTE * 2, b"")
        if _QUOTE in bare:
            return None
        quoted = (len(skeleton) - len(bare)) // 2 * repeats
        starts = text.count(self._separator + _QUOTE) + text.count(b"\n" + _QUOTE)
        ends = text.count(_QUOTE + self._separator) + text.count(_QUOTE + b"\n")
        if starts + text.startswith(_QUOTE) != quoted or ends != quoted:
            return None
        return text.translate(None, _QUOTE)

    def _fields_per_line(self, text: bytes) -> int | None:
        """Return the number of fields that every line has, or None if they differ or a line is
        blank.

        The text without its cells must be the same line again and again.
        """
        skeleton = text.translate(None, self._cell_bytes)
        line = skeleton[: skeleton.index(b"\n") + 1]
        lines = len(skeleton) // len(line)
        fields = line.count(self._separator) + 1
        is_uniform = (
            line == self._separator * (fields - 1) + self._line_end
            and line * lines == skeleton
            and (self._line_end == b"\n" or text.count(self._line_end) == lines)
        )
        return fields if is_uniform and fields >= self._header.named_width else None

    def _are_nameless_fields_right(self, text: bytes, fields: int) -> bool:
        """Return whether fields beyond the header are empty; records values in nameless columns."""
        nameless = fields - self._header.named_width
        if nameless:
            empty_end = self._separator * nameless + self._line_end
            if text.count(empty_end) != text.count(b"\n"):
                if fields > len(self._header.names):
                    return False
                self._has_nameless_values = True
        return True

    def _with_copy_width(self, text: bytes, fields: int) -> bytes:
        """Add the nameless fields that the lines lack, or drop the empty ones beyond the header."""
        if fields < self._width:
            return text.replace(b"\n", self._separator * (self._width - fields) + b"\n")
        if fields > self._width:
            return text.replace(self._separator * (fields - self._width) + b"\n", b"\n")
        return text

    def _parsed(self, block: bytes, line: int, is_last: bool) -> tuple[bytes, int, bytes]:
        """Parse record by record.

        Args:
            block: whole lines; the last record may be incomplete.
            line: physical line number of the block.
            is_last: whether the block is the last one.

        Returns:
            The text for the copy, its number of lines, and the bytes of an incomplete record.

        """
        text = block.decode(self._codec)
        copied = self._parsed_at_once(text)
        if copied is not None:
            return copied, copied.count(b"\n"), b""
        reader = read_records(text, self._delimiter)
        filler = FILLER + COPY_DELIMITER * (self._width - 1)
        lines: list[str] = []
        rest = b""
        try:
            for row in reader:
                if not is_blank(row):
                    lines.append(self._copied(row, line + len(lines)))
                    self._record_count += 1
                while len(lines) < reader.line_num:
                    self._has_fillers = True
                    lines.append(filler)
        except csv.Error:
            at = sum(map(len, islice(io.StringIO(text, newline=""), len(lines))))
            fault = quote_fault(text[at:], self._delimiter)
            rest = text[at:].encode(self._codec)
            if is_last or not fault.is_open or len(rest) > limits.LONGEST_RECORD_BYTES:
                raise fault.error(line + len(lines)) from None
        return "".join(f"{each}\n" for each in lines).encode(), len(lines), rest

    def _parsed_at_once(self, text: str) -> bytes | None:
        """Return the text for the copy if each line is a record of the full width, else None."""
        if ESCAPE in text or COPY_DELIMITER in text or self._width > self._header.named_width:
            return None
        reader = read_records(text, self._delimiter)
        try:
            rows = list(reader)
        except csv.Error:
            return None
        if reader.line_num != len(rows) or set(map(len, rows)) != {self._width}:
            return None
        self._record_count += len(rows)
        rows.append([])
        return "\n".join(map(COPY_DELIMITER.join, rows)).encode()

    def _copied(self, row: list[str], line: int) -> str:
        """Return a record as a line of the copy, without the line end."""
        record, fields, named_width = row, len(row), self._header.named_width
        if fields != self._width:
            if fields < named_width or any(row[len(self._header.names) :]):
                raise UnreadableError(
                    "wrong_field_count",
                    f"Línea {line}: el registro tiene {fields} campo{'s' if fields > 1 else ''}"
                    f" y el encabezado tiene {named_width}.",
                )
            row = (row + [""] * (self._width - fields))[: self._width]
        if self._width > named_width and any(row[named_width:]):
            self._has_nameless_values = True
        cells = COPY_DELIMITER.join(row)
        if (
            cells.count(COPY_DELIMITER) == self._width - 1
            and ESCAPE not in cells
            and "\n" not in cells
            and "\r" not in cells
        ):
            return cells
        refuse_swallowed_records(record, self._delimiter, line)
        self._has_escapes = True
        return COPY_DELIMITER.join(map(_escaped, row))


def _escaped(cell: str) -> str:
    for character, written in ESCAPES.items():
        cell = cell.replace(character, written)
    return cell
