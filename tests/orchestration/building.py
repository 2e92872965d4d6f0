"""Building the models of an installation alone, without Dagster."""

from __future__ import annotations

import os
import subprocess

from orchestration.installation import standing, warehouse
from orchestration.installation.dbt_project import fingerprint, project_folder
from orchestration.installation.home import Home
from tests.orchestration.forking import run_module

# All but the unit tests, which have a test of their own, and no artifact for somebody to read.
BUILD = ("build", "--quiet", "--no-write-json", "--exclude-resource-type", "unit_test")

_KINDS_LEFT_OUT = ("--exclude-resource-type", "test")


def build_load(home: Home, load_id: int, *options: str) -> None:
    """Carry a load that is in `raw` through the models as a run does, without what stands.

    With options other than the kinds of nodes to leave out, it is a build of everything.
    """
    is_usual = all(each in _KINDS_LEFT_OUT for each in options)
    project = fingerprint(home)
    with warehouse.connect(home) as connection:
        chosen = standing.choose_nodes(connection, home, project) if is_usual else ()
    run_dbt(home, *BUILD, *chosen, *options)
    with warehouse.connect(home) as connection:
        warehouse.finish_load(connection, load_id)
        if is_usual:
            standing.note_build(connection, home, project, chosen)


def run_dbt(home: Home, *arguments: str) -> None:
    """Run dbt in an installation as `orchestration.installation.dbt_project.run_dbt` does."""
    done = dbt_output(home, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def dbt_output(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbt in an installation, whatever comes of it."""
    return run_module(
        "tests.orchestration.dbt_command",
        arguments,
        {**os.environ, **home.environment(), "DBT_LOG_LEVEL_FILE": "none"},
        project_folder(home),
    )
