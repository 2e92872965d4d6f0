"""Each fault of docs/reliability.md has what happens, what is told, what to do, and a test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from orchestration.installation.home import PROJECT

PAGE = PROJECT / "docs" / "reliability.md"
COLUMNS = "| fault | what happens | what you are told | what you do | test |"
TEST = re.compile(r"`(test_\w+\.py::[\w:]+)`")


def _rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [line for line in lines if line != COLUMNS and not line.startswith("| ---")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_at_least_twenty_five_faults_have_all_that_is_to_be_said_of_them() -> None:
    rows = _rows()
    assert len(rows) >= 25
    assert [row for row in rows if len(row) != 5 or not all(row)] == []
    faults = [row[0] for row in rows]
    assert sorted(faults) == sorted(set(faults))
    assert [row[0] for row in rows if not TEST.findall(row[4])] == []


def test_each_test_that_the_page_names_is_one() -> None:
    named = [each for row in _rows() for each in TEST.findall(row[4])]
    asked = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *dict.fromkeys(named)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
