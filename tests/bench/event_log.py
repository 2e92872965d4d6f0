"""What Spark's event log says of a session: rows, bytes and time of each statement.

The log is a file of JSON lines for each session (`spark.eventLog.enabled`). A task says what it
read, wrote and shuffled when it has ended; a job names the stages of its tasks, and the statement
that it works for; a statement says its plan, of which its name here is made.

Of Iceberg tables, Spark does not note what a merge writes: `output` is that of other statements.
Of what is read of them it notes few of the bytes, but all rows.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

OTHER = "what belongs to no statement"
# What is given back to DuckDB is written by statements of this name, with the table.
GIVING_BACK = "give back"
# An event of SQL has its whole Java name.
_PACKAGE = "org.apache.spark.sql.execution.ui."
_ACTS = {
    "AppendData": "append to",
    "OverwriteByExpression": "write",
    "WriteDelta": "merge into",
}
_ASK = "ask"
_WRITTEN = re.compile(r"IcebergWrite\(table=([\w.]+)")
_READ = re.compile(r"BatchScan ([\w.]+)")
_FILES = re.compile(r"made_by_spark/([\w.]+)")


@dataclass(frozen=True)
class Traffic:
    """What tasks moved.

    Args:
        rows_read: rows of files that they read.
        output: bytes of files that they wrote.
        shuffled: bytes that they wrote for tasks of another stage.
        fetched: bytes that they read of those.
        spilled: bytes for which memory had no room.
        seconds: how long they ran, one after another.
        cpu_seconds: of which they worked.

    """

    rows_read: int = 0
    output: int = 0
    shuffled: int = 0
    fetched: int = 0
    spilled: int = 0
    seconds: float = 0
    cpu_seconds: float = 0

    def __add__(self, other: Traffic) -> Traffic:
        """What both moved."""
        return Traffic(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(Traffic))
        )


def read(folder: Path) -> dict[str, Traffic]:
    """What the statements of all sessions moved whose logs are in a folder.

    Args:
        folder: `spark.eventLog.dir`; neither compressed nor rolled.

    Returns:
        Traffic by statement: what it does, and the table. Statements of one name are added up.

    """
    moved: dict[str, Traffic] = defaultdict(Traffic)
    for path in sorted(folder.iterdir()):
        with path.open(encoding="utf-8") as lines:
            for name, traffic in _statements(json.loads(line) for line in lines):
                moved[name] += traffic
    return dict(moved)


def total(moved: Iterable[Traffic]) -> Traffic:
    """What all of them moved."""
    return sum(moved, Traffic())


def _statements(events: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Traffic]]:
    """Each statement of a session and what its tasks moved; one may come several times."""
    names: dict[int, str] = {}
    statement_of: dict[int, int] = {}
    tasks: dict[int, Traffic] = defaultdict(Traffic)
    for event in events:
        kind = event["Event"].removeprefix(_PACKAGE)
        if kind == "SparkListenerSQLExecutionStart":
            number = event["executionId"]
            root = event.get("rootExecutionId")
            # A statement has another one do a part of it, which may be to write the table.
            name = _name(event)
            names[number] = names.get(root, name) if name.startswith(_ASK) else name
        elif kind == "SparkListenerJobStart":
            number = event.get("Properties", {}).get("spark.sql.execution.id")
            if number is not None:
                # A stage that another job has done before is not done again.
                for stage in event["Stage IDs"]:
                    statement_of.setdefault(stage, int(number))
        elif kind == "SparkListenerTaskEnd":
            tasks[event["Stage ID"]] += _traffic(event.get("Task Metrics") or {})
    for stage, traffic in tasks.items():
        yield names.get(statement_of.get(stage, -1), OTHER), traffic


def _name(event: dict[str, Any]) -> str:
    """What a statement does, and to which table, by its plan."""
    plan = event["physicalPlanDescription"]
    act = event["sparkPlanInfo"]["nodeName"]
    described = event["sparkPlanInfo"]["simpleString"]
    if match := _FILES.search(described):
        return f"{GIVING_BACK} {match[1]}"
    # A merge does not say its table, but reads it first.
    match = _WRITTEN.search(described) or _READ.search(plan)
    table = match[1].removeprefix("saldo.") if match else "no table"
    return f"{_ACTS.get(act, _ASK)} {table}"


def _traffic(metrics: dict[str, Any]) -> Traffic:
    fetched = metrics.get("Shuffle Read Metrics", {})
    return Traffic(
        rows_read=metrics.get("Input Metrics", {}).get("Records Read", 0),
        output=metrics.get("Output Metrics", {}).get("Bytes Written", 0),
        shuffled=metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0),
        fetched=fetched.get("Remote Bytes Read", 0) + fetched.get("Local Bytes Read", 0),
        spilled=metrics.get("Disk Bytes Spilled", 0),
        seconds=metrics.get("Executor Run Time", 0) / 1e3,
        cpu_seconds=metrics.get("Executor CPU Time", 0) / 1e9,
    )
