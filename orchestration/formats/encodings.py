"""Find the encoding of a text file, and the characters that no encoding allows (R12)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from orchestration.formats import limits

Encoding = Literal["utf-8", "utf-8-sig", "cp1252"]
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_IN_UTF_16 = "El archivo está en UTF-16. Guárdelo como «CSV UTF-8» y envíelo de nuevo."
# How files begin that have text in them and are none.
ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
_STARTS = {
    re.compile(re.escape(ZIP)): (
        "El archivo es un libro de Excel o un .zip: guárdelo como «CSV UTF-8»."
    ),
    re.compile(re.escape(GZIP)): "El archivo está comprimido: envíelo sin comprimir.",
    re.compile(rb"\xd0\xcf\x11\xe0"): (
        "El archivo es un libro de un Excel antiguo (.xls): guárdelo como «CSV UTF-8»."
    ),
    re.compile(rb"%PDF"): "El archivo es un PDF: envíelo como «CSV UTF-8».",
    re.compile(rb"[^\0]\0[^\0]\0|\0[^\0]\0[^\0]"): _IN_UTF_16,  # without its BOM
}
_LONGEST_START = 4
_NOT_IN_CP1252 = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
# The UTF-8 characters beyond ASCII: two to four bytes each (RFC 3629).
_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_BEGUN_AT_END = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{0,2}\Z")
_ASCII = bytes(range(128))
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_SHOWN_LINES = 5
LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_END_BYTES = re.compile(rb"[\r\n]")


class UnreadableError(Exception):
    """The content of a file cannot be read.

    Args:
        code: stable code of the reason (R16).
        message: for the organization, in Spanish; contains no cell of the file (R30).

    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def find_encoding(path: Path) -> Encoding:
    """Find the encoding: BOM, then strict UTF-8, then strict cp1252 (R14).

    Args:
        path: the landed file.

    Returns:
        `utf-8-sig` if there is a BOM, else `utf-8` or `cp1252`.

    Raises:
        UnreadableError: `empty_file`, `unreadable_encoding` (UTF-16 too), `nul_bytes`,
            `damaged_encoding` (more UTF-8 characters beyond ASCII than bytes that are not UTF-8).
            Of a workbook, a .zip, a .gz, a .pdf or UTF-16 without a BOM the message says what it
            is.

    """
    try:
        return _find_text_encoding(path)
    except UnreadableError as error:
        with path.open("rb") as file:
            start = file.read(_LONGEST_START)
        for each, message in _STARTS.items():
            if each.match(start):
                raise UnreadableError(error.code, message) from None
        raise


def _find_text_encoding(path: Path) -> Encoding:
    with path.open("rb") as file:
        start = file.read(len(codecs.BOM_UTF8) + 1)
    if start.startswith(_UTF_16):
        raise UnreadableError("unreadable_encoding", _IN_UTF_16)
    if start in (b"", codecs.BOM_UTF8):
        raise empty_file()
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


def _find_not_utf8(path: Path) -> int | None:
    """Find the first byte that is not UTF-8; refuse NUL bytes before it."""
    offset = 0
    carry = b""  # the start of a character that continues in the next block
    with path.open("rb") as file:
        while block := file.read(limits.BLOCK_BYTES):
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
        while block := file.read(limits.BLOCK_BYTES):
            _refuse_nul_bytes(path, offset, block)
            if not block.isascii():
                found = [block.index(byte) for byte in _NOT_IN_CP1252 if byte in block]
                if found:
                    return offset + min(found)
            offset += len(block)
    return None


def _is_damaged_utf8(path: Path) -> bool:
    """Return whether there are more UTF-8 characters beyond ASCII than bytes that are not UTF-8."""
    characters, wrong = 0, 0
    for _, text in _without_characters(path):
        characters += text.count(b"\0")
        wrong += len(text.translate(None, _ASCII))
    return characters > wrong


def _name_wrong_lines(path: Path) -> str:
    """Name the first lines that have bytes that are not UTF-8: `Líneas 3, 8:`."""
    offsets: list[int] = []
    is_open = False  # whether the line of the last offset continues
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
    """Yield each block with its offset; NUL bytes replace its UTF-8 characters beyond ASCII."""
    offset, carry = 0, b""
    with path.open("rb") as file:
        while True:
            block = file.read(limits.BLOCK_BYTES)
            data = carry + block
            # A block may end inside a character, after at most three of its bytes.
            begun = _BEGUN_AT_END.search(data) if block else None
            cut = begun.start() if begun else len(data)
            carry, data = data[cut:], data[:cut]
            if data:
                mark = (lambda found: b"\0" * len(found[0])) if keeps_length else b"\0"
                yield offset, _CHARACTER.sub(mark, data)
            offset += len(data)
            if not block:
                return


def _refuse_nul_bytes(path: Path, offset: int, block: bytes) -> None:
    """Refuse NUL bytes, which no text contains; `block` is at `offset`."""
    if b"\0" in block:
        line = _line_at(path, offset + block.index(b"\0"))
        raise UnreadableError(
            "nul_bytes",
            f"Línea {line}: hay un byte nulo (NUL). El archivo está dañado o no es texto.",
        )


def _line_at(path: Path, offset: int) -> int:
    """Return the physical line number of a byte that is not a line end."""
    line, last = 1, b""
    with path.open("rb") as file:
        while offset and (block := file.read(min(limits.BLOCK_BYTES, offset))):
            offset -= len(block)
            line += count_lines(block.decode("latin-1"))
            line -= last == b"\r" and block.startswith(b"\n")
            last = block[-1:]
    return line


def count_lines(text: str) -> int:
    """Count line ends: LF, CR and CRLF."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def all_bytes_but(kept: bytes) -> bytes:
    """Return every byte except some, as the bytes that `bytes.translate` deletes."""
    return bytes(byte for byte in range(256) if byte not in kept)


def codec_of(encoding: Encoding) -> str:
    """Return Python's name of an encoding."""
    return "cp1252" if encoding == "cp1252" else "utf-8"


def empty_file() -> UnreadableError:
    """Return the error for a file without a header."""
    return UnreadableError("empty_file", "El archivo está vacío: no tiene encabezado.")
