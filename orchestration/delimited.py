"""What a delimited text file is made of: its encoding, its header, its records.

Here belongs everything about bytes, line ends, delimiters and quotes; what a column means belongs
in `reading`. Nothing is sniffed (R14): the delimiter is the contract's, the quote is `"`, the
encodings are tried in a fixed order.

A file is walked in blocks of whole lines. An ordinary block (every line has the same number of
fields, none of them quoted) is proven so by a handful of operations on the whole block. The other
blocks are parsed record by record.

DuckDB reads the landed file itself when all of it is ordinary. Otherwise it reads a copy that needs
no quotes and has, after a first line of nothing, exactly one line for each physical line, so that a
row number is a line number:

- A record stands on the line where it starts. Blank lines, and the further lines of a record with
  line ends in its cells, are filler lines: `FILLER` in the first field, nothing in the others.
- Between two fields stands `COPY_DELIMITER`, whatever the original has.
- In a cell, a character that would need quotes is written as `ESCAPE` and a letter (`ESCAPES`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _csv import Reader

Encoding = Literal["utf-8", "utf-8-sig", "cp1252"]

# What makes the new cells of a record of its cells, as many as there were.
Change = Callable[[Sequence[str]], Sequence[str]]

BLOCK_BYTES = 256 * 1024
LONGEST_RECORD_BYTES = 16 * 1024 * 1024
MOST_COLUMNS = 16_384  # as many as a spreadsheet has

COPY_DELIMITER = "\x1f"
ESCAPE = "\x1b"
FILLER = ESCAPE + "x"
# ESCAPE itself is the first to be written and the last to be read back.
ESCAPES = {
    ESCAPE: ESCAPE + "e",
    COPY_DELIMITER: ESCAPE + "d",
    "\n": ESCAPE + "n",
    "\r": ESCAPE + "r",
}

# DuckDB takes a BOM for its own when the first cell of a copy begins with one.
_FIRST_LINE_OF_COPY = b"\n"
_QUOTE = b'"'
_ESCAPED = (ESCAPE.encode(), COPY_DELIMITER.encode())
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_IN_CP1252 = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
# What UTF-8 has beyond ASCII, a character of two to four bytes (RFC 3629).
_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_ASCII = bytes(range(128))
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_SHOWN_LINES = 5
_SEPARATOR_LINE = re.compile(r'"?sep=[^\r\n]"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_END_BYTES = re.compile(rb"[\r\n]")
_QUOTED_FIELD = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')


class UnreadableError(Exception):
    """A file whose content cannot be read.

    Args:
        code: stable code of the reason (R16).
        message: for the organization, in Spanish; holds no cell of the file (R30).

    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class _NeedsCopyError(Exception):
    """Not all of the landed file is ordinary: DuckDB must read a copy."""


@dataclass(frozen=True)
class Header:
    """The first record of a file.

    Args:
        names: one for each column without surrounding blanks, nameless columns included.
        named_width: number of columns up to the last one that has a name.
        data_offset: where the records start, in bytes.
        data_line: physical line number where the records start.
        line_end: what ends the header; empty when the file ends with it.
        is_plain: nothing but a `sep=` line and the header, one line each, is before the records.

    """

    names: tuple[str, ...]
    named_width: int
    data_offset: int
    data_line: int
    line_end: str
    is_plain: bool


@dataclass(frozen=True)
class Records:
    """Where the records are and how DuckDB is to read them: no quotes, no escapes of its own.

    Args:
        path: the landed file, or the copy of it.
        is_copy: whether `path` is a copy.
        skipped_lines: number of lines of `path` before the records.
        first_line: physical line number, in the landed file, of the line after those.
        delimiter: what is between two fields of `path`.
        width: fields in each line of `path`.
        record_count: number of records; blank lines do not count.
        longest_line: no line of `path` has more bytes.
        has_escapes: whether a cell may hold one of `ESCAPES`.
        has_fillers: whether a line may be a filler line.
        has_nameless_values: whether a column after the last named one holds a value.

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


def find_encoding(path: Path) -> Encoding:
    """Find the encoding: BOM, then strict UTF-8, then strict cp1252 (R14).

    Args:
        path: the landed file.

    Returns:
        `utf-8-sig` if there is a BOM, else `utf-8` or `cp1252`.

    Raises:
        UnreadableError: `empty_file`, `unreadable_encoding` (UTF-16 too), `nul_bytes`,
            `damaged_encoding` (more characters of UTF-8 than bytes that are none of it).

    """
    with path.open("rb") as file:
        start = file.read(len(codecs.BOM_UTF8) + 1)
    if start.startswith(_UTF_16):
        raise UnreadableError(
            "unreadable_encoding",
            "El archivo está en UTF-16. Guárdelo como «CSV UTF-8» y envíelo de nuevo.",
        )
    if start in (b"", codecs.BOM_UTF8):
        raise _empty_file()
    has_bom = start.startswith(codecs.BOM_UTF8)
    not_utf8_at = _find_not_utf8(path)
    if not_utf8_at is None:
        return "utf-8-sig" if has_bom else "utf-8"
    not_cp1252_at = _find_not_cp1252(path)
    if not has_bom and _is_damaged_utf8(path):
        raise UnreadableError(
            "damaged_encoding",
            f"{_name_wrong_lines(path)} el archivo está en UTF-8 y tiene caracteres dañados."
            " Genérelo de nuevo, o guárdelo como «CSV UTF-8».",
        )
    if not has_bom and not_cp1252_at is None:
        return "cp1252"
    message = f"Línea {_line_at(path, not_utf8_at)}: el archivo no está en UTF-8"
    if not has_bom and not_cp1252_at is not None:
        message += f", ni en Windows-1252 (línea {_line_at(path, not_cp1252_at)})"
    raise UnreadableError("unreadable_encoding", f"{message}. Guárdelo como «CSV UTF-8».")


def read_header(path: Path, encoding: Encoding, delimiter: str) -> Header:
    """Read the first record that is not blank, after a `sep=` line if there is one.

    Args:
        path: the landed file.
        encoding: what `find_encoding` found.
        delimiter: one ASCII character, the contract's.

    Raises:
        UnreadableError: `empty_file` (no record at all), `too_many_columns`, `unclosed_quote`,
            `text_after_quote`, `record_too_long`.

    """
    offset = len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    with path.open("rb") as file:
        file.seek(offset)
        blocks = _Blocks(file, first_line=1)
        for block in blocks:
            text = block.decode(_codec(encoding))
            separator_line = _SEPARATOR_LINE.match(text) if blocks.line == 1 else None
            start = _find_filled_line(text, separator_line.end() if separator_line else 0)
            if start is None:
                offset += len(block)
                blocks.line += _count_lines(text)
                continue
            line = blocks.line + _count_lines(text[:start])
            reader = _reader(text[start:], delimiter)
            try:
                names = tuple(name.strip() for name in next(reader))
            except csv.Error:
                fault = _quote_fault(text[start:], delimiter)
                if fault.is_open and not blocks.is_at_end and len(block) <= LONGEST_RECORD_BYTES:
                    blocks.give_back(block)
                    continue
                raise fault.error(line) from None
            record = "".join(islice(io.StringIO(text[start:], newline=""), reader.line_num))
            return _header(names, text[:start], record, offset=offset, line=line, encoding=encoding)
    raise _empty_file()


def check_records(
    path: Path, encoding: Encoding, delimiter: str, header: Header, scratch: Path
) -> Records:
    """Check every record against the header and find out how DuckDB is to read them (R16).

    Trailing empty fields beyond the header are tolerated, and so are records that lack the header's
    trailing nameless columns. Blank lines are no records.

    Args:
        path: the landed file.
        encoding: what `find_encoding` found.
        delimiter: one ASCII character, the contract's.
        header: what `read_header` found; two columns at least have a name.
        scratch: an existing folder for the copy, when one is needed; the caller removes the copy.

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


def write_anew(
    path: Path,
    encoding: Encoding,
    delimiter: str,
    header: Header,
    changes: Mapping[int, Change],
    target: IO[bytes],
) -> None:
    """Write a readable file again with other cells in some records; every other byte is as it was.

    The line ends in a cell stay, behind its new text, so that every record stays on its line.

    Args:
        path: the landed file.
        encoding: what `find_encoding` found.
        delimiter: one ASCII character, the contract's.
        header: what `read_header` found.
        changes: for the line where a record starts, what makes its new cells of its cells. A new
            cell is ASCII and needs no quotes; it has them where the former had.
        target: where the file goes.

    Raises:
        LookupError: there is no record on one of the lines.

    """
    codec = _codec(encoding)
    lines = deque(sorted(changes))
    with path.open("rb") as file:
        target.write(file.read(header.data_offset))
        blocks = _Blocks(file, header.data_line)
        for block in blocks:
            last_line = blocks.line + _count_lines(block.decode("latin-1"))
            if not lines or last_line < lines[0]:
                target.write(block)
                blocks.line = last_line
                continue
            text = block.decode(codec)
            at = 0
            while lines and at < len(text):
                line_end = _LINE_END.search(text, at)
                end = line_end.end() if line_end else len(text)
                if blocks.line == lines[0]:
                    spans = _split_record(text[at:], delimiter)
                    if spans is None:
                        break
                    record_end = at + spans[-1][1]
                    line_end = _LINE_END.match(text, record_end)
                    end = line_end.end() if line_end else record_end
                    record = _with_cells(text[at:record_end], spans, changes[lines.popleft()])
                    target.write((record + text[record_end:end]).encode(codec))
                else:
                    target.write(text[at:end].encode(codec))
                blocks.line += _count_lines(text[at:end])
                at = end
            else:
                target.write(text[at:].encode(codec))
                blocks.line += _count_lines(text[at:])
                continue
            if blocks.is_at_end:
                break
            blocks.give_back(text[at:].encode(codec))
    if lines:
        raise LookupError(f"no record of {path.name} starts on line {lines[0]}")


class _Blocks:
    """Blocks of whole lines; only the last of them may lack its line end.

    Args:
        file: open where the first block starts.
        first_line: physical line number there.

    """

    def __init__(self, file: IO[bytes], first_line: int) -> None:
        self._file = file
        self._rest = b""
        self.line = first_line  # where the next block starts; whoever reads keeps it right
        self.is_at_end = False

    def give_back(self, rest: bytes) -> None:
        """Take back what was not used: the next block starts with it, and is longer."""
        self._rest = rest + self._rest

    def __iter__(self) -> Iterator[bytes]:
        while not self.is_at_end:
            data = self._file.read(max(BLOCK_BYTES, len(self._rest)))
            block = self._rest + data
            if data:
                # A CR at the very end may be half of a CRLF.
                cut = max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1
            else:
                self.is_at_end = True
                cut = len(block)
            self._rest = block[cut:]
            if cut:
                yield block[:cut]
            elif len(block) > LONGEST_RECORD_BYTES:
                raise UnreadableError(
                    "record_too_long",
                    f"Línea {self.line}: el registro pasa de "
                    f"{LONGEST_RECORD_BYTES // 1024 // 1024} MB. Cada registro va en su línea.",
                )


class _Check:
    """One walk over the records.

    Args:
        path: the landed file.
        encoding: its encoding.
        delimiter: one ASCII character.
        header: its header.
        copy: where the copy goes. None: DuckDB is to read the landed file itself.

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
        self._codec = _codec(encoding)
        self._delimiter = delimiter
        self._separator = delimiter.encode()
        self._header = header
        self._copy = copy
        self._line_end = b"\r\n" if copy is None and header.line_end == "\r\n" else b"\n"
        self._cell_bytes = _all_bytes_but(self._separator + b"\r\n")
        self._cell_bytes_but_quotes = _all_bytes_but(self._separator + b"\n" + _QUOTE)
        self._to_copy = bytes.maketrans(self._separator, COPY_DELIMITER.encode())
        self._width = len(header.names) if copy is not None else 0
        self._record_count = 0
        self._longest_line = 0
        self._has_escapes = False
        self._has_fillers = False
        self._has_nameless_values = False

    def run(self, target: Path) -> Records:
        """Walk; `target` is what DuckDB is to read."""
        header = self._header
        with self._path.open("rb") as file:
            file.seek(header.data_offset)
            blocks = _Blocks(file, header.data_line)
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
                self._longest_line = max(self._longest_line, _longest_line(text))
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
        """Give an ordinary block as DuckDB is to read it; None when it is not ordinary.

        Without a copy that is the block itself, with its last line end.
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
        """Give the block in UTF-8, with LF line ends, and escaped where no parsing is needed.

        If a quoted cell has a line end, the block is not ordinary and this text is not used.
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
        """Say whether a field starts with a quote; elsewhere a quote is a character like others."""
        return _QUOTE in text and (
            text.startswith(_QUOTE) or self._separator + _QUOTE in text or b"\n" + _QUOTE in text
        )

    def _without_quotes(self, text: bytes) -> bytes | None:
        """Give the text without its quotes when none of them protects anything, else None.

        Why that is safe: split the text at every delimiter and line end, quoted or not. If each
        part has its quotes in pairs, and as many parts start with a quote, and end with one, as
        there are pairs, then each part with quotes has just these two: it is one quoted field that
        holds no delimiter, line end or quote. So the split was right.
        """
        skeleton = text.translate(None, self._cell_bytes_but_quotes)
        line = skeleton[: skeleton.index(b"\n") + 1]
        repeats = len(skeleton) // len(line)
        if line * repeats == skeleton:
            skeleton = line  # one stands for all, which spares most of the work
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
        """Give the number of fields that every line has; None when they differ or a line is blank.

        What is left of the text without its cells must be one line's worth, again and again.
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
        """Say whether the fields beyond the header are empty; note values in nameless columns."""
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
            line: physical line number where it starts.
            is_last: nothing comes after it.

        Returns:
            The text for the copy, its number of lines, and the bytes of an incomplete record.

        """
        text = block.decode(self._codec)
        copied = self._parsed_at_once(text)
        if copied is not None:
            return copied, copied.count(b"\n"), b""
        reader = _reader(text, self._delimiter)
        filler = FILLER + COPY_DELIMITER * (self._width - 1)
        lines: list[str] = []
        rest = b""
        try:
            for row in reader:
                if not _is_blank(row):
                    lines.append(self._copied(row, line + len(lines)))
                    self._record_count += 1
                while len(lines) < reader.line_num:
                    self._has_fillers = True
                    lines.append(filler)
        except csv.Error:
            at = sum(map(len, islice(io.StringIO(text, newline=""), len(lines))))
            fault = _quote_fault(text[at:], self._delimiter)
            rest = text[at:].encode(self._codec)
            if is_last or not fault.is_open or len(rest) > LONGEST_RECORD_BYTES:
                raise fault.error(line + len(lines)) from None
        return "".join(f"{each}\n" for each in lines).encode(), len(lines), rest

    def _parsed_at_once(self, text: str) -> bytes | None:
        """Give the text for the copy if each line is a record of the full width, else None."""
        if ESCAPE in text or COPY_DELIMITER in text or self._width > self._header.named_width:
            return None
        reader = _reader(text, self._delimiter)
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
        """Give a record as a line of the copy, without the line end."""
        fields, named_width = len(row), self._header.named_width
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
        self._has_escapes = True
        return COPY_DELIMITER.join(map(_escaped, row))


@dataclass(frozen=True)
class _QuoteFault:
    """Why a record could not be parsed: a quoted field that is open, or has text after it."""

    is_open: bool
    line_offset: int  # from the record's first line to the line of the opening quote

    def error(self, record_line: int) -> UnreadableError:
        """Tell the organization."""
        line = record_line + self.line_offset
        if self.is_open:
            return UnreadableError(
                "unclosed_quote", f'Línea {line}: se abre una comilla (") que no se cierra.'
            )
        return UnreadableError(
            "text_after_quote",
            f"Línea {line}: hay texto después de una comilla de cierre. Dentro de un campo entre "
            'comillas, una comilla se escribe dos veces ("").',
        )


def _quote_fault(record: str, delimiter: str) -> _QuoteFault:
    """Find the quoted field because of which a record could not be parsed."""
    at = 0
    while True:
        if record.startswith('"', at):
            field = _QUOTED_FIELD.match(record, at)
            if field is None:
                return _QuoteFault(is_open=True, line_offset=_count_lines(record[:at]))
            if not record.startswith(delimiter, field.end()):
                return _QuoteFault(is_open=False, line_offset=_count_lines(record[:at]))
            at = field.end() + 1
        else:
            at = record.index(delimiter, at) + 1


def _split_record(text: str, delimiter: str) -> list[tuple[int, int]] | None:
    """Where the fields of the record are with which a text starts, quotes included.

    None when the text ends before the record does.
    """
    spans = []
    at = 0
    while True:
        if text.startswith('"', at):
            field = _QUOTED_FIELD.match(text, at)
            if field is None:
                return None
            end = field.end()
        else:
            line_end = _LINE_END.search(text, at)
            record_end = line_end.start() if line_end else len(text)
            found = text.find(delimiter, at, record_end)
            end = found if found >= 0 else record_end
        spans.append((at, end))
        if not text.startswith(delimiter, end):
            return spans
        at = end + 1


def _with_cells(record: str, spans: Sequence[tuple[int, int]], change: Change) -> str:
    written = [record[start:end] for start, end in spans]
    cells = [each[1:-1].replace('""', '"') if each.startswith('"') else each for each in written]
    parts = []
    for former, old, new in zip(written, cells, change(cells), strict=True):
        if new == old:
            parts.append(former)
        else:
            kept = new + "".join(_LINE_END.findall(old))
            parts.append(f'"{kept}"' if former.startswith('"') else kept)
    between = [
        record[end:start]
        for (_, end), (start, _) in zip(spans, [*spans[1:], (len(record), 0)], strict=True)
    ]
    return "".join(part + gap for part, gap in zip(parts, between, strict=True))


def _find_filled_line(text: str, start: int) -> int | None:
    """Find the start of the first line, from `start` on, that has more than blanks."""
    filled = len(text) - len(text[start:].lstrip(" \t\r\n"))
    if filled == len(text):
        return None
    return max(text.rfind("\n", start, filled) + 1, text.rfind("\r", start, filled) + 1, start)


def _header(
    names: tuple[str, ...], before: str, record: str, *, offset: int, line: int, encoding: Encoding
) -> Header:
    """Describe the header `record` on `line`; `before` stands between `offset` and it."""
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
        data_offset=offset + len((before + record).encode(_codec(encoding))),
        data_line=line + len(lines) - _count_lines(before),
        line_end=lines[-1][len(lines[-1].rstrip("\r\n")) :],
        is_plain=(
            offset <= len(codecs.BOM_UTF8)
            and len(lines) == plain_lines
            and line_ends in ({"\n"}, {"\r\n"}, {""})
        ),
    )


def _reader(text: str, delimiter: str) -> Reader:
    csv.field_size_limit(4 * LONGEST_RECORD_BYTES)  # of the process; here the blocks are the limit
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _is_blank(row: list[str]) -> bool:
    """Say whether a line is empty or has blanks only."""
    return not row or (len(row) == 1 and not row[0].strip())


def _longest_line(text: bytes) -> int:
    """Give the length of the longest line, or something more that is still small."""
    if len(text) <= 4 * BLOCK_BYTES:
        return len(text)
    return max(map(len, text.split(b"\n"))) + 1


def _escaped(cell: str) -> str:
    for character, written in ESCAPES.items():
        cell = cell.replace(character, written)
    return cell


def _find_not_utf8(path: Path) -> int | None:
    """Find the first byte that is not UTF-8; refuse NUL bytes before it."""
    offset = 0
    carry = b""  # the start of a character that two blocks share
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            _refuse_nul_bytes(path, offset, block)
            if carry or not block.isascii():
                data = carry + block
                try:
                    _, used = codecs.utf_8_decode(data, "strict", False)
                except UnicodeDecodeError as error:
                    return offset - len(carry) + error.start
                carry = data[used:]
            offset += len(block)
    return offset - len(carry) if carry else None


def _find_not_cp1252(path: Path) -> int | None:
    """Find the first byte that cp1252 does not define; refuse NUL bytes before it."""
    offset = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            _refuse_nul_bytes(path, offset, block)
            if not block.isascii():
                found = [block.index(byte) for byte in _NOT_IN_CP1252 if byte in block]
                if found:
                    return offset + min(found)
            offset += len(block)
    return None


def _is_damaged_utf8(path: Path) -> bool:
    """Say whether a file has more characters of UTF-8 beyond ASCII than bytes that are none."""
    characters, wrong = 0, 0
    for _, text in _without_characters(path):
        characters += text.count(b"\0")
        wrong += len(text.translate(None, _ASCII))
    return characters > wrong


def _name_wrong_lines(path: Path) -> str:
    """Give the first lines with bytes that are not UTF-8: `Líneas 3, 8:`."""
    offsets: list[int] = []
    is_open = False  # whether the line of the last one goes on
    for offset, text in _without_characters(path, keeps_length=True):
        at = 0
        while len(offsets) <= _SHOWN_LINES:
            if is_open:
                line_end = _LINE_END_BYTES.search(text, at)
                if line_end is None:
                    break
                at, is_open = line_end.end(), False
            wrong = _NOT_ASCII.search(text, at)
            if wrong is None:
                break
            offsets.append(offset + wrong.start())
            at, is_open = wrong.start(), True
    lines = [str(_line_at(path, offset)) for offset in offsets]
    if len(lines) == 1:
        return f"Línea {lines[0]}:"
    rest = " y otras" if len(lines) > _SHOWN_LINES else ""
    return f"Líneas {', '.join(lines[:_SHOWN_LINES])}{rest}:"


def _without_characters(path: Path, *, keeps_length: bool = False) -> Iterator[tuple[int, bytes]]:
    """Give each block and where it stands, its characters of UTF-8 beyond ASCII as NUL bytes."""
    offset, carry = 0, b""
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            data = carry + block
            # A block may end within a character, of which it then has three bytes at most.
            cut = len(data)
            while block and len(data) - cut < 4 and cut and data[cut - 1] >= 128:  # noqa: PLR2004
                cut -= 1
            carry, data = data[cut:], data[:cut]
            if data:
                mark = (lambda found: b"\0" * len(found[0])) if keeps_length else b"\0"
                yield offset, _CHARACTER.sub(mark, data)
            offset += len(data)
            if not block:
                return


def _refuse_nul_bytes(path: Path, offset: int, block: bytes) -> None:
    """Refuse what no text has; `block` stands at `offset`."""
    if b"\0" in block:
        line = _line_at(path, offset + block.index(b"\0"))
        raise UnreadableError(
            "nul_bytes",
            f"Línea {line}: hay un byte nulo (NUL). El archivo está dañado o no es texto.",
        )


def _line_at(path: Path, offset: int) -> int:
    """Give the physical line number of a byte that is no line end."""
    line, last = 1, b""
    with path.open("rb") as file:
        while offset and (block := file.read(min(BLOCK_BYTES, offset))):
            offset -= len(block)
            line += _count_lines(block.decode("latin-1"))
            line -= last == b"\r" and block.startswith(b"\n")
            last = block[-1:]
    return line


def _count_lines(text: str) -> int:
    """Count line ends: LF, CR and CRLF."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _all_bytes_but(kept: bytes) -> bytes:
    return bytes(byte for byte in range(256) if byte not in kept)


def _codec(encoding: Encoding) -> str:
    return "cp1252" if encoding == "cp1252" else "utf-8"


def _empty_file() -> UnreadableError:
    return UnreadableError("empty_file", "El archivo está vacío: no tiene encabezado.")
