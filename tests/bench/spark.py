"""Days on local Spark beside the same days on DuckDB, for bases of several sizes.

Day 1 brings the base. Day 2 is a file of all debts, of which 4 % have changed. Day 3 is a file of
changed debts alone, beside each base as many: what it costs for each must not grow with the base.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestration.installation.spark import NoSparkError, require_java
from tests.bench import event_log
from tests.bench.data import HEADER, business_date
from tests.bench.days import ORGANIZATION, Bench, day_command, install
from tests.bench.event_log import GIVING_BACK, Traffic
from tests.bench.installation import Installation
from tests.bench.measure import CaseFailedError, Measured, python, run
from tests.bench.report import Row

SIZES = "1000000,4000000,10000000"
CHANGED_ON_DAY_3 = 10_000
DAYS = (1, 2, 3)
MOST_STATEMENTS = 6
_AMOUNT = HEADER.index("amount")
# One file for each session, as its events come.
_EVENT_LOG = """\
spark.eventLog.enabled true
spark.eventLog.dir {folder}
spark.eventLog.compress false
spark.eventLog.rolling.enabled false
"""


@dataclass(frozen=True)
class Moved:
    """What a day on Spark moved.

    Args:
        size: debts in the base.
        day: 1, 2 or 3.
        changed: debts that it changed.
        statements: what each of its statements moved.
        added: bytes of the files that it added to Spark's tables.

    """

    size: int
    day: int
    changed: int
    statements: Mapping[str, Traffic]
    added: int

    def costs(self) -> dict[str, int]:
        """Rows and bytes, which must not grow with the base for each changed debt."""
        moved = event_log.total(self.statements.values())
        given_back = event_log.total(
            traffic for name, traffic in self.statements.items() if name.startswith(GIVING_BACK)
        )
        return {
            "rows read": moved.rows_read,
            "shuffled": moved.shuffled,
            "added to tables": self.added,
            "given back": given_back.output,
        }

    def note(self) -> str:
        """Its rows and bytes, and those for each changed debt."""
        rows, *moved = self.costs().items()
        said = ", ".join(f"{_megabytes(cost)} {name}" for name, cost in moved)
        each = ", ".join(f"{cost / self.changed / 1e3:,.2f}" for _, cost in moved)
        return (
            f"{rows[1]:,} {rows[0]}, {said}; for each of {self.changed:,} changed debts"
            f" {rows[1] / self.changed:,.1f} rows and {each} kB"
        )

    def growth(self, smallest: Moved) -> str:
        """How many times as much it moved for each changed debt as beside a smaller base."""
        former = smallest.costs()
        said = ", ".join(
            f"{cost / self.changed / (former[name] / smallest.changed):,.2f} x {name}"
            for name, cost in self.costs().items()
            if former[name]
        )
        return f"for each as beside {smallest.size:,} debts: {said}"


def spark(bench: Bench) -> Iterator[Row]:
    """Three days of each size on both engines.

    Raises:
        CaseFailedError: there is no Java for Spark.

    """
    try:
        require_java()
    except NoSparkError as error:
        raise CaseFailedError(str(error)) from None
    sizes = [int(each) for each in (os.environ.get("SPARK_SIZES") or SIZES).split(",")]
    smallest: dict[int, Moved] = {}
    for size in sizes:
        # Beside the smallest base, too, day 3 is about a part of it.
        changed = {1: size, 2: size * 4 // 100, 3: min(CHANGED_ON_DAY_3, min(sizes) // 10)}
        for engine in ("DuckDB", "Spark"):
            at = install(bench, f"spark/{size}_on_{engine}", [ORGANIZATION])
            for day in DAYS:
                _leave_day(bench, at, size, day, changed[3])
                name = f"{size:,} debts, day {day}, {engine}"
                count = changed[day] if day == DAYS[-1] else size
                if engine == "DuckDB":
                    yield Row(name, [_run_day(bench, day, at.environment)], count)
                    continue
                measured, moved = _run_on_spark(bench, at, day, size, changed[day])
                first = smallest.setdefault(day, moved)
                notes = [moved.note(), *([moved.growth(first)] if first is not moved else [])]
                yield Row(f"**{name}**", [measured], count, note="; ".join(notes))
                yield from _statement_rows(moved)


def _leave_day(bench: Bench, at: Installation, size: int, day: int, changed: int) -> None:
    """Leave the files of a day, alone in the inbox."""
    inbox = at.inbox(ORGANIZATION)
    if day < DAYS[-1]:
        for path in inbox.iterdir():
            path.unlink()
        bench.make_day(at, size, day, size // 100)
        return
    (former,) = inbox.iterdir()
    _update_alone(at)
    name = former.name.replace(str(business_date(day - 1)), str(business_date(day)))
    with (
        former.open(encoding="utf-8", newline="") as source,
        former.with_name(name).open("w", encoding="utf-8", newline="") as target,
    ):
        writer = csv.writer(target, lineterminator="\n")
        rows = csv.reader(source)
        writer.writerow(next(rows))
        for row in islice(rows, changed):
            row[_AMOUNT] = str(int(row[_AMOUNT]) + 1)
            writer.writerow(row)
    former.unlink()


def _update_alone(at: Installation) -> None:
    """Have the organization's file be no longer the whole base."""
    path = at.home.seeds / "organizations.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",replace,", ",upsert,"), "utf-8")


def _run_on_spark(
    bench: Bench, at: Installation, day: int, size: int, changed: int
) -> tuple[Measured, Moved]:
    """Run a day on Spark, and read what it says of it."""
    settings = at.home.root.with_name(f"{at.home.root.name}_day_{day}")
    events = settings / "events"
    events.mkdir(parents=True)
    (settings / "spark-defaults.conf").write_text(
        _EVENT_LOG.format(folder=events.as_uri()), encoding="utf-8"
    )
    former = _files(at)
    measured = _run_day(
        bench,
        day,
        at.environment | {"SALDO_TARGET": "spark", "SPARK_CONF_DIR": str(settings)},
        os.environ.get("SPARK_PYTHON"),
    )
    added = sum(size for path, size in _files(at).items() if path not in former)
    return measured, Moved(size, day, changed, event_log.read(events), added)


def _run_day(
    bench: Bench, day: int, environment: Mapping[str, str], interpreter: str | None = None
) -> Measured:
    """Run a day; Spark's Java is counted, too, which outlives whoever started it."""
    own, *arguments = day_command(day)
    command = python("-m", "tests.bench.reaped", interpreter or own, *arguments)
    return run(command, bench.log(f"spark_{day}"), environment)


def _files(at: Installation) -> dict[Path, int]:
    """The files of Spark's tables, and their sizes."""
    tables = at.home.spark / "tables"
    return {path: path.stat().st_size for path in tables.rglob("*") if path.is_file()}


def _statement_rows(moved: Moved) -> Iterator[Row]:
    """The statements that shuffled and wrote most, with the time of their tasks."""
    most = sorted(
        moved.statements.items(),
        key=lambda each: each[1].shuffled + each[1].output,
        reverse=True,
    )
    for name, traffic in most[:MOST_STATEMENTS]:
        said = [f"{traffic.rows_read:,} rows read"]
        if traffic.shuffled:
            said.append(f"{_megabytes(traffic.shuffled)} shuffled")
        # Nothing is noted of what a merge writes.
        if traffic.output:
            said.append(f"{_megabytes(traffic.output)} written")
        tasks = Measured(traffic.seconds, traffic.cpu_seconds, 0)
        yield Row(f"&nbsp;&nbsp;{name}", [tasks], note=", ".join(said))


def _megabytes(moved: int) -> str:
    return f"{moved / 1e6:,.1f} MB"
