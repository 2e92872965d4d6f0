"""Find what is wrong with the quotes of a record, and describe it to the organization."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.formats.encodings import LINE_END, UnreadableError, count_lines

QUOTED_FIELD = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')


@dataclass(frozen=True)
class _QuoteFault:
    """Why a record could not be parsed: a quoted field is not closed, or has text after it."""

    is_open: bool
    line_offset: int  # from the record's first line to the line of the opening quote

    def error(self, record_line: int) -> UnreadableError:
        """Return the error for the organization."""
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


def quote_fault(record: str, delimiter: str) -> _QuoteFault:
    """Find the quoted field that makes a record unparsable."""
    at = 0
    while True:
        if record.startswith('"', at):
            field = QUOTED_FIELD.match(record, at)
            if field is None:
                return _QuoteFault(is_open=True, line_offset=count_lines(record[:at]))
            if not record.startswith(delimiter, field.end()):
                return _QuoteFault(is_open=False, line_offset=count_lines(record[:at]))
            at = field.end() + 1
        else:
            at = record.index(delimiter, at) + 1


def refuse_swallowed_records(row: Sequence[str], delimiter: str, line: int) -> None:
    """Refuse a record with a cell that has swallowed others, from one stray quote to the next.

    Each line of such a cell is a record, the first and the last one with the cells beside it. Only
    prose has lines like that by chance.

    Args:
        row: the cells of the record.
        delimiter: one ASCII character, from the contract.
        line: physical line number where the record begins.

    Raises:
        UnreadableError: `unclosed_quote`, with the lines.

    """
    for place, cell in enumerate(row):
        first, *others = LINE_END.split(cell)
        if others:
            *inner, last = others
            delimiters = {
                place + first.count(delimiter),
                *(each.count(delimiter) for each in inner if each.strip()),
                last.count(delimiter) + len(row) - 1 - place,
            }
            if delimiters == {len(row) - 1} and not _is_prose(cell, delimiter):
                raise UnreadableError(
                    "unclosed_quote",
                    f'Líneas {line} a {line + len(others)}: se abre una comilla (") en la primera y'
                    " se cierra en la última, y cada línea tiene los campos de un registro. En un"
                    " campo entre comillas, una comilla que es parte del texto se escribe dos veces"
                    ' ("").',
                )
        line += len(others)


def _is_prose(cell: str, delimiter: str) -> bool:
    """Return whether each delimiter in a cell has a blank after it, as commas in prose do."""
    return all(each[:1].isspace() for each in cell.split(delimiter)[1:])
