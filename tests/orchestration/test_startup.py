"""The command is quick: it imports what a verb needs, when the verb needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import duckdb
import pytest

from orchestration.__main__ import VERBS, main
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.locking import exclusive

# Each takes as long to import as all else that a verb without a run does.
SLOW = ("asyncssh", "dagster", "dagster_dbt", "dbt", "openpyxl", "paramiko", "starlette", "uvicorn")
# Runs a verb as `python -m orchestration` does, then tells which of the slow packages came along.
PROGRAM = f"""
import json, sys
from orchestration.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
loaded = sorted(set({SLOW}) & set(sys.modules))
print(json.dumps([status, loaded]), file=sys.__stderr__)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    with duckdb.connect(str(home.analytics)) as connection:
        connection.execute(
            "create table intake_files as select"
            " 'aaaa' as file_id, 'lumina' as organization_id, '2026-03-02.csv' as file_name,"
            " date '2026-03-02' as business_date, now() as received_at, 'held' as status,"
            " 'x' as message, 1 as new_count, 1 as changed_count, 1 as unchanged_count,"
            " 1 as withdrawn_count, 1 as kept_in_process_count, 1 as unidentified_count,"
            " 1.00 as accepted_amount"
        )
    return home


def loaded_by(home: Home, *arguments: str) -> tuple[int, list[str]]:
    """The exit status of a verb, and the slow packages that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=PROJECT,
        env={**os.environ, **home.environment(), "SALDO_LOCK_WAIT_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    status, loaded = json.loads(done.stderr.splitlines()[-1])
    return status, loaded


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("--help", 0),
        ("nonsense", 2),
        ("held --help", 0),
        ("held", 1),
        ("approve bbbb", 2),
        ("refuse bbbb", 2),
    ],
)
def test_a_verb_that_runs_nothing_imports_nothing_slow(home: Home, typed: str, status: int) -> None:
    assert loaded_by(home, *typed.split()) == (status, [])


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_a_decision_is_noted_before_anything_slow_is_imported(home: Home, verb: str) -> None:
    with exclusive(home):
        assert loaded_by(home, verb, "aaaa") == (1, [])
    assert [path.name for path in home.decisions.iterdir()] == ["aaaa.json"]


def test_the_help_tells_each_verb_by_the_first_sentence_of_its_own() -> None:
    context = click.Context(main)
    told = {name: verb.summary for name, verb in VERBS.items()}
    said = {}
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        said[name] = (command.help or "").split("\n\n")[0].replace("\n", " ")
    assert said == told
