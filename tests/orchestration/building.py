"""Building the models of an installation alone, without Dagster."""

from __future__ import annotations

import os

from orchestration.installation.dbt_project import project_folder
from orchestration.installation.home import Home
from tests.orchestration.forking import run_module


def run_dbt(home: Home, *arguments: str) -> None:
    """Run dbt in an installation as `orchestration.installation.dbt_project.run_dbt` does."""
    done = run_module(
        "tests.orchestration.dbt_command",
        arguments,
        {**os.environ, **home.environment()},
        project_folder(home),
    )
    assert done.returncode == 0, done.stdout + done.stderr
