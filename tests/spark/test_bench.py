"""The benchmark's days on Spark, small: its case runs to its end, and reads what Spark says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from orchestration.devtools.loopback_sftp import serve
from tests.bench.__main__ import run_case
from tests.bench.days import Bench

SIZE = 1000
COSTS = re.compile(r"rows read, .* shuffled, .* added to tables, .* given back; for each of \d")


def test_the_days_of_the_case_run_on_both_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_SIZES", str(SIZE))
    monkeypatch.delenv("SPARK_PYTHON", raising=False)
    with serve(tmp_path / "server", tmp_path / "server_state") as server:
        bench = Bench(
            root=tmp_path / "bench",
            server=server,
            size=SIZE,
            repeats=1,
            year_days=1,
            year_size=SIZE,
            peers_python=Path(sys.executable),
        )
        rows = list(run_case(bench, "spark"))

    assert [f"{row.case}: {row.note}" for row in rows if not row.runs] == []
    days = [row for row in rows if ", day " in row.case]
    assert [row.case.strip("*") for row in days] == [
        f"1,000 debts, day {day}, {engine}" for engine in ("DuckDB", "Spark") for day in (1, 2, 3)
    ]
    assert [bool(COSTS.search(row.note)) for row in days] == [False] * 3 + [True] * 3
    # Java is measured, which dbt began: it holds more than any Python does.
    assert min(row.runs[0].peak_bytes for row in days[3:]) > 2**30
    statements = {row.case.removeprefix("&nbsp;&nbsp;") for row in rows}
    assert {"merge into main.debts_history", "give back main.debts_history"} <= statements
