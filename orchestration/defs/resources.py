"""The resources: the home, and dbt."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import metadata

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version

from orchestration.contracts import (
    Aliases,
    Organization,
    read_column_aliases,
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

    def aliases(self) -> Aliases:
        """The header names that mean a field (R11)."""
        return read_column_aliases(self.home().seeds)

    def environment(self) -> Mapping[str, str]:
        """Where the secrets are."""
        return os.environ


class Dbt(DbtCliResource):
    """dbt, called without what dagster-dbt does first and Saldo has no use for.

    That is a dbt process that prints its version, and an adapter in this process that would count
    rows: together as long as a small build.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]  # noqa: ARG002
        return None


@dg.definitions
def resources() -> dg.Definitions:
    """Every resource by its name."""
    return dg.Definitions(
        resources={
            "installation": Installation(),
            "dbt": Dbt(project_dir=str(project().project_dir)),
        }
    )
