"""Read a text file in blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from orchestration.formats import limits
from orchestration.formats.encodings import UnreadableError


class Blocks:
    """Blocks of whole lines; only the last block may lack its line end.

    Args:
        file: open at the start of the first block.
        first_line: physical line number of that position.

    """

    def __init__(self, file: IO[bytes], first_line: int) -> None:
        self._file = file
        self._rest = b""
        self.line = first_line  # line number of the next block; the reader updates it
        self.is_at_end = False

    def give_back(self, rest: bytes) -> None:
        """Return unused bytes; the next block starts with them and is longer."""
        self._rest = rest + self._rest

    def __iter__(self) -> Iterator[bytes]:
        while not self.is_at_end:
            data = self._file.read(max(limits.BLOCK_BYTES, len(self._rest)))
            block = self._rest + data
            if data:
                # A CR at the very end may be the first half of a CRLF.
                cut = max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1
            else:
                self.is_at_end = True
                cut = len(block)
            self._rest = block[cut:]
            if cut:
                yield block[:cut]
            elif len(block) > limits.LONGEST_RECORD_BYTES:
                raise UnreadableError(
                    "record_too_long",
                    f"Línea {self.line}: el registro pasa de "
                    f"{limits.LONGEST_RECORD_BYTES // 1024 // 1024} MB."
                    " Cada registro va en su línea.",
                )
