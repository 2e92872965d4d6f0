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


# A command that starts three dbts; each is a stand-in that ends in its own way.
ASKS = """
import os, signal, subprocess, sys
from orchestration.installation import dbt_forks
from tests.orchestration.dbt_forks import lend_dbt

asked = lend_dbt()
if asked is None:
    for typed in (["build", "--quiet"], ["fail"], ["die"]):
        asking = [*dbt_forks.command(), *typed]
        done = subprocess.run(asking, input="in", capture_output=True, text=True, cwd="/")
        print(done.returncode, done.stdout + done.stderr)
else:
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
    typed = asked.told["arguments"]
    print(sys.stdin.read(), *typed, asked.told["folder"], flush=True)
    if typed == ["die"]:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit("failed" if typed == ["fail"] else 0)
"""


def test_a_forked_dbt_is_to_its_command_what_a_started_one_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKS], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "0 in build --quiet /",
        "",
        "1 in fail /",
        "failed",
        "",
        "-9 in die /",
        "",
    ]


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


def test_duckdb_has_one_thread_in_a_forked_process_unless_it_asks_for_more() -> None:
    asks = "print(duckdb.connect({}).sql('select current_setting($$threads$$)').fetchone())"
    lines = [asks.format(more) for more in ("", "config={'threads': 3}")]
    typed = ["--number", "1", "--repeat", "1", "import duckdb", *lines]
    done = run_module("timeit", typed, os.environ)
    assert done.stdout.splitlines()[:2] == ["(1,)", "(3,)"], done.stderr


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
