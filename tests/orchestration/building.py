"""Building the models of an installation alone, without Dagster."""

from __future__ import annotations

import os
import subprocess

from orchestration.installation.dbt_project import project_folder
from orchestration.installation.home import Home
from tests.orchestration.forking import run_module


def run_dbt(home: Home, *arguments: str) -> None:
    """Run dbt in an installation as `orchestration.installation.dbt_project.run_dbt` does."""
    done = dbt_output(home, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def dbt_output(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbt in an installation, whatever comes of it."""
    return run_module(
        "tests.orchestration.dbt_command",
        arguments,
        {**os.environ, **home.environment()},
        project_folder(home),
    )
