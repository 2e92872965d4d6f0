"""What the tests begin with is what they would make themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.installation.home import PROJECT, Home
from tests.orchestration.forking import run_module
from tests.orchestration.starting import copy_home, lend_parse, made_once


def test_dbt_finds_nothing_changed_in_a_lent_parse_nor_in_a_copied_one(
    home: Home, tmp_path: Path
) -> None:
    lend_parse(home)
    for each in (home, copy_home(home, tmp_path / "it's a copy, ñ")):
        variables = {**os.environ, **each.environment()}
        done = run_module("tests.orchestration.dbt_command", ["--debug", "parse"], variables)
        assert done.returncode == 0, done.stdout
        assert "no changes found, skipping parsing" in done.stdout


@pytest.mark.parametrize("typed", ["nonsense", "--help", "held", "run --date 9999-12-31"])
def test_a_forked_command_says_what_a_started_one_says(home: Home, typed: str) -> None:
    variables = {**os.environ, **home.environment(), "COLUMNS": "120"}
    started = subprocess.run(
        [sys.executable, "-m", "orchestration", *typed.split()],
        cwd=PROJECT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    forked = run_module("orchestration", typed.split(), variables)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_a_starting_point_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALDO_TESTS_SHARED", str(tmp_path))
    made: list[Path] = []

    def make(folder: Path) -> None:
        folder.mkdir()
        made.append(folder)
        if len(made) == 1:
            raise OSError("the first attempt fails")

    with pytest.raises(OSError, match="the first attempt fails"):
        made_once("house", make)
    assert made_once("house", make) == made_once("house", make) == tmp_path / "house"
    assert len(made) == 2
