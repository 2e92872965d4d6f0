"""The dbt project for Dagster, parsed again when its files have changed."""

import fcntl
import os
from functools import cache

from dagster_dbt import DbtProject

from orchestration.installation.dbt_project import is_parsed, parse, project_folder
from orchestration.installation.home import PROJECT, Home


@cache
def project() -> DbtProject:
    """Return the dbt project of this installation; parse it again if its files have changed.

    Its artifacts are in the home, so that several homes can share one checkout.
    """
    home = Home.from_environment()
    home.create()
    os.environ.update(home.environment())
    # The daemon and the webserver start at the same time.
    with (home.root / "parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = project_folder(home)
        found = DbtProject(folder, target_path=home.root / "target", profiles_dir=PROJECT)
        if not is_parsed(home):
            parse(home)
    return found
