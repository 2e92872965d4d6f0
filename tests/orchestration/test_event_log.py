"""What the benchmark reads in Spark's event log, from logs written by hand, and makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.bench import event_log
from tests.bench.days import Bench
from tests.bench.event_log import OTHER, Traffic
from tests.bench.measure import CaseFailedError
from tests.bench.spark import Moved, spark

SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart"


def test_bytes_and_time_are_added_up_by_statement(tmp_path: Path) -> None:
    _write(
        tmp_path / "local-1",
        {"Event": "SparkListenerLogStart", "Spark Version": "4.1.4"},
        _statement(1, "AppendData", "AppendData IcebergWrite(table=saldo.main.debts, format=x)"),
        _job([0, 1], statement=1),
        _task(0, rows_read=10, shuffled=4, milliseconds=1500),
        _task(1, fetched=(1, 3), output=7),
        _task(1, output=2, spilled=5),
    )

    assert event_log.read(tmp_path) == {
        "append to main.debts": Traffic(
            rows_read=10, output=9, shuffled=4, fetched=4, spilled=5, seconds=1.5, cpu_seconds=3
        )
    }


def test_a_statement_says_what_it_does_to_which_table(tmp_path: Path) -> None:
    made = "Execute InsertIntoHadoopFsRelationCommand"
    merged = "== Physical Plan ==\nWriteDelta (5)\n+- BatchScan saldo.main.debts (1)\n"
    asked = "== Physical Plan ==\nHashAggregate (2)\n+- BatchScan saldo.main.payments (1)\n"
    statements = {
        "write staging.one": ("OverwriteByExpression", "x IcebergWrite(table=staging.one, y)", ""),
        "merge into main.debts": ("WriteDelta", "WriteDelta DeltaWrite@1", merged),
        "give back main.loads": (made, f"{made} file:/tmp/made_by_spark/main.loads, false", ""),
        "ask main.payments": ("HashAggregate", "HashAggregate(keys=[])", asked),
        "ask no table": ("LocalTableScan", "LocalTableScan [x]", ""),
    }
    for number, (name, (node, described, plan)) in enumerate(statements.items()):
        _write(
            tmp_path / name,
            _statement(number, node, described, plan=plan),
            _job([number], statement=number),
            _task(number, rows_read=number + 1),
        )

    moved = event_log.read(tmp_path)

    assert {name: traffic.rows_read for name, traffic in moved.items()} == {
        name: number + 1 for number, name in enumerate(statements)
    }


def test_what_a_statement_has_others_do_is_its_own_unless_they_write(tmp_path: Path) -> None:
    made = "Execute InsertIntoHadoopFsRelationCommand"
    replaced = "AtomicReplaceTableAsSelect"
    _write(
        tmp_path / "local-1",
        _statement(1, "CommandResult", "CommandResult", plan="BatchScan saldo.main.debts (1)"),
        _statement(2, made, f"{made} file:/tmp/made_by_spark/main.debts, false", root=1),
        _statement(3, replaced, replaced),
        _statement(4, "OverwriteByExpression", "x IcebergWrite(table=main.debts, y)", root=3),
        _statement(5, "HashAggregate", "HashAggregate(keys=[])", root=1),
        _job([0], statement=2),
        _job([1], statement=4),
        _job([2], statement=5),
        _task(0, output=3),
        _task(1, output=4),
        _task(2, rows_read=5),
    )

    moved = event_log.read(tmp_path)

    assert {name: traffic.output for name, traffic in moved.items()} == {
        "give back main.debts": 3,
        "write main.debts": 4,
        "ask main.debts": 0,
    }
    assert moved["ask main.debts"].rows_read == 5


def test_a_stage_counts_once_and_without_a_statement_too(tmp_path: Path) -> None:
    _write(
        tmp_path / "local-1",
        _statement(1, "HashAggregate", "HashAggregate(keys=[])"),
        _statement(2, "HashAggregate", "HashAggregate(keys=[])", plan="BatchScan saldo.a.b (1)"),
        _job([0], statement=1),
        _job([0, 1], statement=2),
        _job([2], statement=None),
        _task(0, rows_read=1),
        _task(1, rows_read=2),
        _task(2, rows_read=4),
        {"Event": "SparkListenerTaskEnd", "Stage ID": 2, "Task Metrics": None},
    )

    moved = event_log.read(tmp_path)

    assert {name: traffic.rows_read for name, traffic in moved.items()} == {
        "ask no table": 1,
        "ask a.b": 2,
        OTHER: 4,
    }
    assert event_log.total(moved.values()).rows_read == 7


def test_statements_of_one_name_are_added_up_over_all_sessions(tmp_path: Path) -> None:
    for session in ("local-1", "local-2"):
        _write(
            tmp_path / session,
            _statement(1, "AppendData", "AppendData IcebergWrite(table=saldo.main.debts, x)"),
            _job([0], statement=1),
            _task(0, output=5),
        )

    assert event_log.read(tmp_path) == {"append to main.debts": Traffic(output=10, cpu_seconds=2)}


def test_what_a_day_costs_is_compared_for_each_changed_debt() -> None:
    small = Moved(
        size=100,
        day=2,
        changed=4,
        statements={
            "merge into main.debts": Traffic(rows_read=40, shuffled=4000),
            "give back main.debts": Traffic(rows_read=8, output=8000),
        },
        added=400,
    )
    large = Moved(
        size=1000,
        day=2,
        changed=8,
        statements={"merge into main.debts": Traffic(rows_read=96, shuffled=80_000)},
        added=800,
    )

    assert small.note() == (
        "48 rows read, 0.0 MB shuffled, 0.0 MB added to tables, 0.0 MB given back;"
        " for each of 4 changed debts 12.0 rows and 1.00, 0.10, 2.00 kB"
    )
    assert large.growth(small) == (
        "for each as beside 100 debts: 1.00 x rows read, 10.00 x shuffled,"
        " 1.00 x added to tables, 0.00 x given back"
    )


def test_without_java_the_case_says_so_before_it_measures_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CaseFailedError, match="Spark needs Java 17 or 21: there is no `java`"):
        next(spark(cast(Bench, None)))


def _write(path: Path, *events: dict[str, Any]) -> None:
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events), "utf-8")


def _statement(
    number: int, node: str, described: str, *, plan: str = "", root: int | None = None
) -> dict[str, Any]:
    return {
        "Event": SQL,
        "executionId": number,
        "rootExecutionId": number if root is None else root,
        "physicalPlanDescription": plan,
        "sparkPlanInfo": {"nodeName": node, "simpleString": described},
    }


def _job(stages: list[int], statement: int | None) -> dict[str, Any]:
    properties = {} if statement is None else {"spark.sql.execution.id": str(statement)}
    return {"Event": "SparkListenerJobStart", "Stage IDs": stages, "Properties": properties}


def _task(
    stage: int,
    rows_read: int = 0,
    output: int = 0,
    shuffled: int = 0,
    fetched: tuple[int, int] = (0, 0),
    spilled: int = 0,
    milliseconds: int = 0,
) -> dict[str, Any]:
    """The end of a task that worked for a second."""
    remote, local = fetched
    return {
        "Event": "SparkListenerTaskEnd",
        "Stage ID": stage,
        "Task Metrics": {
            "Executor Run Time": milliseconds,
            "Executor CPU Time": 1_000_000_000,
            "Disk Bytes Spilled": spilled,
            "Input Metrics": {"Records Read": rows_read},
            "Output Metrics": {"Bytes Written": output},
            "Shuffle Write Metrics": {"Shuffle Bytes Written": shuffled},
            "Shuffle Read Metrics": {"Remote Bytes Read": remote, "Local Bytes Read": local},
        },
    }
