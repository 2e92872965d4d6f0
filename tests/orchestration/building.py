"""Building the models of an installation alone, without Dagster."""

from __future__ import annotations

import os
import subprocess

from orchestration.installation.dbt_project import project_folder
from orchestration.installation.home import Home
from tests.orchestration.forking import run_module

# All but the unit tests, which have a test of their own, and no artifact for somebody to read.
BUILD = ("build", "--quiet", "--no-write-json", "--exclude-resource-type", "unit_test")


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
