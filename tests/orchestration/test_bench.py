"""The benchmark, small: its cases run to their ends, so that a table can be had at any time."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestration.devtools.loopback_sftp import serve
from tests.bench.__main__ import run_case
from tests.bench.days import Bench
from tests.bench.report import Row

CASES = {
    "command": [
        "python -c pass",
        "the command: --help",
        "the command: held",
        "the command: approve ABSENT",
    ],
    "floor": ["floor: sftp, read_csv, outer join, copy"],
    "ours": [
        "Saldo, day 1: the first file",
        "**Saldo, day 2: 4 % changed**",
        "Saldo, day 2, memory_limit 2GB",
        "Saldo, a day without a file",
    ],
    "console": [
        f"the console: {name}"
        for name in (
            "open the copy and count its debts",
            "today",
            "organizations",
            "an organization",
            "find",
            "a debt",
            "files",
            "a file",
            "runs",
            "customers",
            "find a customer",
            "find a product",
            "find what is not there",
            "the report of a day",
        )
    ],
    "transfer": ["download alone, one process"],
}
STEPS = {"download and verify", "load into raw", "dbt build", "deliver", "publish", "report"}


def test_the_command_the_floor_and_saldos_own_cases_run_to_their_ends(tmp_path: Path) -> None:
    with serve(tmp_path / "server", tmp_path / "server_state") as server:
        bench = Bench(
            root=tmp_path / "bench",
            server=server,
            size=300,
            repeats=1,
            year_days=1,
            year_size=300,
            peers_python=Path(sys.executable),
        )
        rows = {name: list(run_case(bench, name)) for name in CASES}
    assert [_told(row) for each in rows.values() for row in each if not row.runs] == []
    assert {name: [row.case for row in each] for name, each in rows.items()} == CASES
    for row in rows["ours"]:
        assert {step.case.removeprefix("&nbsp;&nbsp;") for step in row.step_rows()} > STEPS


def _told(row: Row) -> str:
    return f"{row.case}: {row.note}"
