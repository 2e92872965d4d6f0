"""Rewrite a delimited file with other cells; everything else stays as it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from orchestration.formats.blocks import Blocks
from orchestration.formats.delimited import Header
from orchestration.formats.encodings import LINE_END, Encoding, codec_of, count_lines
from orchestration.formats.quote_faults import QUOTED_FIELD

# Returns the new cells of a record from its cells, the same number.
Change = Callable[[Sequence[str]], Sequence[str]]


def write_anew(
    path: Path,
    encoding: Encoding,
    delimiter: str,
    header: Header,
    changes: Mapping[int, Change],
    target: IO[bytes],
) -> None:
    """Rewrite a readable file with other cells in some records; every other byte stays.

    Line ends inside a cell are kept after its new text, so that every record stays on its line.

    Args:
        path: the landed file.
        encoding: the result of `find_encoding`.
        delimiter: one ASCII character, from the contract.
        header: the result of `read_header`.
        changes: by the line where a record starts, the function that returns its new cells. A new
            cell is ASCII and needs no quotes; it is quoted where the old one was.
        target: the file to write to.

    Raises:
        LookupError: no record starts on one of the lines.

    """
    codec = codec_of(encoding)
    lines = deque(sorted(changes))
    with path.open("rb") as file:
        target.write(file.read(header.data_offset))
        blocks = Blocks(file, header.data_line)
        for block in blocks:
            last_line = blocks.line + count_lines(block.decode("latin-1"))
            if not lines or last_line < lines[0]:
                target.write(block)
                blocks.line = last_line
                continue
            text = block.decode(codec)
            at = 0
            while lines and at < len(text):
                line_end = LINE_END.search(text, at)
                end = line_end.end() if line_end else len(text)
                if blocks.line == lines[0]:
                    spans = _split_record(text[at:], delimiter)
                    if spans is None:
                        break
                    record_end = at + spans[-1][1]
                    line_end = LINE_END.match(text, record_end)
                    end = line_end.end() if line_end else record_end
                    record = _with_cells(text[at:record_end], spans, changes[lines.popleft()])
                    target.write((record + text[record_end:end]).encode(codec))
                else:
                    target.write(text[at:end].encode(codec))
                blocks.line += count_lines(text[at:end])
                at = end
            else:
                target.write(text[at:].encode(codec))
                blocks.line += count_lines(text[at:])
                continue
            if blocks.is_at_end:
                break
            blocks.give_back(text[at:].encode(codec))
    if lines:
        raise LookupError(f"no record of {path.name} starts on line {lines[0]}")


def _split_record(text: str, delimiter: str) -> list[tuple[int, int]] | None:
    """Return the spans of the fields of the first record in a text, including quotes.

    Returns None when the text ends before the record does.
    """
    spans = []
    at = 0
    while True:
        if text.startswith('"', at):
            field = QUOTED_FIELD.match(text, at)
            if field is None:
                return None
            end = field.end()
        else:
            line_end = LINE_END.search(text, at)
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
            kept = new + "".join(LINE_END.findall(old))
            parts.append(f'"{kept}"' if former.startswith('"') else kept)
    between = [
        record[end:start]
        for (_, end), (start, _) in zip(spans, [*spans[1:], (len(record), 0)], strict=True)
    ]
    return "".join(part + gap for part, gap in zip(parts, between, strict=True))
