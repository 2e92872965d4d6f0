"""Print tables and lines of data on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table

_TEXT_COLUMNS = {"organization", "file", "id", "header", "meaning"}


def make_table(title: str, names: Iterable[str]) -> Table:
    """Make a table without lines; numbers are right-aligned."""
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for name in names:
        justify: JustifyMethod = "left" if name in _TEXT_COLUMNS else "right"
        table.add_column(name, justify=justify, no_wrap=name != "header")
    return table


def say(console: Console, text: str) -> None:
    """Print one line without wrapping or markup: file names and messages are data."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def as_text(value: object) -> str:
    """Format a table cell: empty for null, thousands separated."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:,}"
