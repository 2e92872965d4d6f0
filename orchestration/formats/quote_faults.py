"""Find what is wrong with the quotes of a record, and describe it to the organization."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestration.formats.encodings import UnreadableError, count_lines

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
