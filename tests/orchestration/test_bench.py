"""The benchmark, small: its cases run to their ends, so that a table can be had at any time.

Its days are forked, as nobody reads what they take, and begin with a lent parse.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestration.devtools.loopback_sftp import serve
from tests.bench import __main__ as bench_main
from tests.bench import days
from tests.bench.__main__ import run_case
from tests.bench.days import Bench
from tests.bench.installation import Installation
from tests.bench.measure import CaseFailedError, Measured
from tests.bench.report import Row
from tests.orchestration.forking import run_module
from tests.orchestration.starting import lend_parse

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


def _fork(command: Sequence[str | Path], environment: Mapping[str, str] | None) -> str:
    """What a command says that runs this interpreter."""
    python, option, module, *typed = map(str, command)
    assert (python, option) == (sys.executable, "-m")
    done = run_module(module, typed, {**os.environ, **(environment or {})})
    if done.returncode:
        raise CaseFailedError(f"exit status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _run(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Measured:
    started = time.perf_counter()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(_fork(command, environment))
    return Measured(time.perf_counter() - started, 0, 0)


def _read_json(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Any:
    return json.loads(_fork(command, environment))


def _install(bench: Bench, name: str, organization_ids: list[str]) -> Installation:
    at = days.install(bench, name, organization_ids)
    lend_parse(at.home)
    return at


def test_the_command_the_floor_and_saldos_own_cases_run_to_their_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "run", _run)
    monkeypatch.setattr(bench_main, "install", _install)
    for each in (days, bench_main):
        monkeypatch.setattr(each, "read_json", _read_json)
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
