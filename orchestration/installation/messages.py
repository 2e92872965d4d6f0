"""Messages to operators while a command works, beside what it prints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

Say = Callable[[str], None]


def warn_operator(message: str) -> None:
    """Write a line for the operator beside what the command prints."""
    sys.stderr.write(f"saldo: {message}\n")


def list_some(names: Sequence[str], most: int) -> str:
    """Join names for a message: the first ones, then how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
