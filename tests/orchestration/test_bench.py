"""The benchmark's parts that could tell a wrong story."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from tests.bench import data, measure, report


def test_from_one_day_to_the_next_four_in_a_hundred_debts_change(tmp_path: Path) -> None:
    (tmp_path / "acme" / "inbox").mkdir(parents=True)
    for day in (1, 2):
        data.write_day(tmp_path, tmp_path / "events", ["acme"], size=10_000, day=day, shift=100)
    old, new = (tmp_path / "acme" / "inbox" / data.file_name(day) for day in (1, 2))
    key = ", ".join(data.KEY)
    found = duckdb.execute(
        f"""
        select
            count(*) filter (old.amount is null),
            count(*) filter (new.amount is null),
            count(*) filter (old.amount <> new.amount)
        from '{old}' as old full outer join '{new}' as new using ({key})
        """
    ).fetchone()
    assert found == (100, 100, 198)


def test_what_stands_around_the_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\nby hand\n")
    report.write(path, 10, "ten")
    report.write(path, 20, "twenty")
    report.write(path, 10, "ten again")
    assert path.read_text() == (
        "# Benchmarks\n\nby hand\n\n"
        "<!-- bench 10 -->\n\nten again\n<!-- end of bench -->\n\n"
        "<!-- bench 20 -->\n\ntwenty\n<!-- end of bench -->\n"
    )


def test_the_memory_of_the_largest_process_below_a_command_is_measured(tmp_path: Path) -> None:
    grandchild = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    large = measure.run(
        [sys.executable, "-c", grandchild, "len(b'x' * (300 << 20))"], tmp_path / "log"
    )
    assert large.peak_bytes > 300 << 20


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(measure.CaseFailedError, match="exit status 3: no rows"):
        measure.run(
            [sys.executable, "-c", "print('no rows'); raise SystemExit(3)"], tmp_path / "log"
        )
