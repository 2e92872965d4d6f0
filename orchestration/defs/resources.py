"""The resources: the home, and dbt."""

import os
from collections.abc import Mapping

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.contracts import (
    Organization,
    read_organizations,
)
from orchestration.dbt_project import project
from orchestration.home import Home


class Installation(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One installation of Saldo: its home, its contracts and its secrets, from the environment."""

    def home(self) -> Home:
        """The folders, made if missing."""
        home = Home.from_environment()
        home.create()
        return home

    def organizations(self) -> list[Organization]:
        """The contracts (R11)."""
        return read_organizations(self.home().seeds)

    def environment(self) -> Mapping[str, str]:
        """Where the secrets are."""
        return os.environ


@dg.definitions
def resources() -> dg.Definitions:
    """Every resource by its name."""
    return dg.Definitions(
        resources={
            "installation": Installation(),
            "dbt": DbtCliResource(project_dir=project()),
        }
    )
