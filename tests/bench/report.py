"""The table: as it is printed, and as it stands in docs/benchmarks.md between two markers."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench.measure import Measured


@dataclass(frozen=True)
class Row:
    """A case, its runs and what it is compared with.

    Args:
        case: what was run.
        runs: one for each repeat; none if the case failed.
        row_count: debts that a run works through, 0 where that says nothing.
        floor_seconds: the median of the floor.
        note: what else is to be said, or why the case failed.

    """

    case: str
    runs: Sequence[Measured]
    row_count: int = 0
    floor_seconds: float | None = None
    note: str = ""

    @property
    def seconds(self) -> float:
        """The median of the runs."""
        return median(each.seconds for each in self.runs)

    def cells(self) -> tuple[str, ...]:
        """The cells of the table's line for this case."""
        if not self.runs:
            return (self.case, "failed", "", "", "", self.note)
        rate = f"{self.row_count / self.seconds:,.0f}" if self.row_count else ""
        ratio = f"{self.seconds / self.floor_seconds:.2f}" if self.floor_seconds else ""
        cpu_seconds = median(each.cpu_seconds for each in self.runs)
        cpu = f"{cpu_seconds:.2f} s" if cpu_seconds else ""
        peak = max(each.peak_bytes for each in self.runs)
        memory = f"{peak / 2**30:.2f} GiB" if peak else ""
        return (self.case, f"{self.seconds:.2f} s", cpu, rate, memory, ratio, self.note)

    def step_rows(self) -> list[Row]:
        """A row for each step: the median over the runs that have it."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.steps))
        return [
            Row(
                f"&nbsp;&nbsp;{name}",
                [Measured(run.steps[name], 0, 0) for run in self.runs if name in run.steps],
                floor_seconds=self.floor_seconds,
            )
            for name in names
        ]


_COLUMNS = ("case", "median", "CPU", "debts / s", "peak memory", "x floor", "note")


def as_markdown(title: str, rows: Sequence[Row]) -> str:
    """The table with a line above it that says on what machine it was made."""
    lines = [_COLUMNS, ("---", "---:", "---:", "---:", "---:", "---:", "---")]
    for row in rows:
        lines += [each.cells() for each in (row, *row.step_rows())]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    repeats = max(len(row.runs) for row in rows)
    made_on = datetime.now(UTC).date().isoformat()
    return (
        f"### {title}\n\n{made_on}, {os.cpu_count()} cores, {_memory()} GiB of memory,"
        f" {platform.system()}, Python {platform.python_version()}, {repeats} repeats.\n\n{table}\n"
    )


def write(path: Path, title: str, markdown: str) -> None:
    """Put a table into a document; all else that stands there stays."""
    begin, end = f"<!-- bench: {title} -->", "<!-- end of bench -->"
    section = f"{begin}\n\n{markdown}\n{end}"
    text = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text, encoding="utf-8")


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
