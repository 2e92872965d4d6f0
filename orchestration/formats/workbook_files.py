"""The zip archive of a workbook: its limits, its protection, its two dialects."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from openpyxl.reader import excel
from openpyxl.reader.excel import ExcelReader
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from orchestration.formats.encodings import UnreadableError
from orchestration.formats.workbook_cells import FORMULA

LARGEST_FILE_BYTES = 50_000_000
LARGEST_CONTENT_BYTES = 1_000_000_000
# The library keeps these parts in memory as a whole: the texts of all sheets, and each other part
# that describes the workbook. The formats of Excel's 65,490 kinds of cells fit.
LARGEST_TEXTS_BYTES = 200_000_000
LARGEST_DESCRIPTION_BYTES = 50_000_000
# What may be read until the next row ends: the library keeps all of it until then, a hundred times
# as large as it is in the file. No sheet of Excel has as much in a row or beside the rows.
MOST_TAGS = 500_000
LARGEST_ROW_BYTES = 1 << 25
# The tags of four million texts.
MOST_TEXT_TAGS = 8_000_000
_NOT_READ = ("pivot", "externallinks/", "calcchain")
MOST_PARTS = 1_000
MOST_COLUMNS = 256
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CHUNK = 1 << 20
# The names that «Strict Open XML» has for the same things; they are at the start of a part.
_STRICT_NAMES: Mapping[bytes, bytes] = {
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    ),
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ),
}
# The messages for files that cannot be read (R16).
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


def is_protected(content: IO[bytes]) -> bool:
    """Return whether the first bytes are those of an old or encrypted workbook."""
    return content.read(len(_OLE)) == _OLE


def check_parts(path: Path) -> tuple[bool, bool]:
    """Refuse a file that is no workbook or is too large when unpacked.

    Returns:
        Whether it contains formulas, and whether it is «Strict Open XML».

    """
    # Each part is unpacked once. Python's zipfile never yields more than a part declares, and the
    # declared sizes are added up first.
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise unreadable_workbook("workbook_too_large")
    with path.open("rb") as content:
        if is_protected(content):
            raise unreadable_workbook("protected_workbook")
    has_formulas, is_strict = False, False
    with as_unreadable(), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        sizes = {"texts": 0, "sheet": 0, "description": 0}
        for each in parts:
            sizes[_kind_of(each.filename)] += each.file_size
        if (
            len(parts) > MOST_PARTS
            or sum(sizes.values()) > LARGEST_CONTENT_BYTES
            or sizes["texts"] > LARGEST_TEXTS_BYTES
            or sizes["description"] > LARGEST_DESCRIPTION_BYTES
        ):
            raise unreadable_workbook("workbook_too_large")
        if any(each.flag_bits & 1 for each in parts):
            raise unreadable_workbook("protected_workbook")
        for each in parts:
            is_sheet = "worksheets/" in each.filename
            with archive.open(each) as part:
                end = b""
                while chunk := part.read(_CHUNK):
                    is_strict = is_strict or any(name in chunk for name in _STRICT_NAMES)
                    if is_sheet and not has_formulas:
                        has_formulas = FORMULA.search(end + chunk) is not None
                        end = chunk[-16:]
    return has_formulas, is_strict


def _kind_of(name: str) -> str:
    """What a part of a workbook is to the memory: a sheet is read bit by bit, pictures never."""
    name = name.lower()
    if "sharedstrings" in name:
        return "texts"
    is_sheet = "worksheets/" in name and name.endswith(".xml")
    is_read = name.endswith((".xml", ".rels")) and not any(each in name for each in _NOT_READ)
    return "description" if is_read and not is_sheet else "sheet"


def rename_strict(path: Path) -> BytesIO:
    """Return the workbook with the names that the library knows, within the size limit."""
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


def open_workbook(content: IO[bytes], stack: ExitStack, *, data_only: bool) -> Any:
    """Open a workbook for reading; closing the stack closes it."""
    workbook = _Reader(content, data_only=data_only).read_within_limits()
    stack.callback(workbook.close)
    return workbook


def read_rows(worksheet: Any) -> Iterator[Sequence[Any]]:
    """Yield the cells of each row, including blank rows.

    Raises:
        UnreadableError: there is too much in a row or beside the rows.

    """
    archive: _Archive = worksheet.parent._archive
    archive.allow(MOST_TAGS, LARGEST_ROW_BYTES)
    for cells in worksheet.iter_rows():
        archive.allow(MOST_TAGS, LARGEST_ROW_BYTES)
        yield cells


class _Archive(zipfile.ZipFile):
    """The archive, as far as the library may read it.

    The parts say which of them is the workbook, a sheet or the texts: the names prove nothing.
    """

    def allow(self, tags: int, byte_count: int) -> None:
        """Set how much may be read from now on."""
        self._tags, self._byte_count = tags, byte_count

    def open(self, *arguments: Any, **options: Any) -> Any:
        """Open a part; what is read of it counts."""
        return _Part(self, super().open(*arguments, **options))

    def take(self, part: IO[bytes], size: int) -> bytes:
        """Read bytes of a part."""
        content = part.read(self._byte_count + 1 if size < 0 else size)
        self._byte_count -= len(content)
        self._tags -= content.count(b"<") - content.count(b"</")
        if self._byte_count < 0 or self._tags < 0:
            raise unreadable_workbook("workbook_too_large")
        return content


class _Part:
    """An open part of an archive."""

    def __init__(self, archive: _Archive, part: IO[bytes]) -> None:
        self._archive = archive
        self._part = part

    def read(self, size: int = -1) -> bytes:
        return self._archive.take(self._part, size)

    def close(self) -> None:
        self._part.close()

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Sheet(ReadOnlyWorksheet):  # type: ignore[misc]
    """The library's sheet without its size, which may be wrong, or be looked for in all rows."""

    def _get_size(self) -> None:
        self.reset_dimensions()


excel.ReadOnlyWorksheet = _Sheet


class _Reader(ExcelReader):  # type: ignore[misc]
    """The library's reader, of an archive with limits."""

    def __init__(self, content: IO[bytes], *, data_only: bool) -> None:
        super().__init__(content, read_only=True, data_only=data_only, keep_links=False)
        self.archive = _Archive(content)

    def read_within_limits(self) -> Any:
        self._allow_description()
        self.read()
        return self.wb

    def read_strings(self) -> None:
        self.archive.allow(MOST_TEXT_TAGS, LARGEST_TEXTS_BYTES)
        super().read_strings()
        self._allow_description()

    def _allow_description(self) -> None:
        self.archive.allow(2 * MOST_TAGS, 2 * LARGEST_DESCRIPTION_BYTES)


@contextmanager
def as_unreadable() -> Iterator[None]:
    """Turn every error of the library about a broken file into one code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UnreadableError, MemoryError):
        raise
    except Exception:
        raise unreadable_workbook("not_a_workbook") from None


def unreadable_workbook(code: str) -> UnreadableError:
    """Return the error for a code."""
    return UnreadableError(code, _MESSAGES[code])
