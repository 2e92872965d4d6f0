"""The resources: the home, held for as long as a run lasts, and dbt.

A request to Dagster's UI may bring the configuration of a run. So neither a resource nor the
executor takes any: what dbt's program is, and where it works, is not for a request to say.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version

from orchestration.contracts.organizations import (
    Organization,
    read_contracts,
)
from orchestration.defs.project import project
from orchestration.installation import locking
from orchestration.installation.damage import explain
from orchestration.installation.dbt_project import DBT
from orchestration.installation.home import Home
from orchestration.installation.redaction import redact
from orchestration.reports.run_alerts import TOLD

# What DuckDB says, in dbt's words too, when another process has the file open.
_LOCKED = "Could not set lock on file"
_BUSY_RETRIES = 10
_BUSY_RETRY_SECONDS = 30


class Installation:
    """One installation of Saldo: its home, its contracts and its secrets, from the environment."""

    def home(self) -> Home:
        """The folders, made if missing."""
        home = Home.from_environment()
        home.create()
        return home

    def organizations(self) -> list[Organization]:
        """The contracts (R11)."""
        return read_contracts(self.home().seeds)

    def environment(self) -> Mapping[str, str]:
        """Where the secrets are."""
        return os.environ


@contextmanager
def guarded() -> Iterator[None]:
    """How a step fails: it is tried again when someone reads the warehouse, for nothing else heals
    by waiting, and its error says nothing that must not be told (R30).

    Raises:
        dagster.RetryRequested: another process has the warehouse open.
        dagster.Failure: the machine is the cause, or the text had to be redacted.

    """
    try:
        yield
    except Exception as error:
        said = str(error)
        if isinstance(error, locking.WarehouseBusyError) or _LOCKED in said:
            raise dg.RetryRequested(
                max_retries=_BUSY_RETRIES, seconds_to_wait=_BUSY_RETRY_SECONDS
            ) from error
        told = explain(error, Home.from_environment())
        if told is not None:
            raise dg.Failure(str(told), metadata={TOLD: True}) from None
        tellable = redact(said, os.environ)
        if tellable == said:
            raise
        raise dg.Failure(f"{type(error).__name__}: {tellable}") from None


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


@dg.resource(config_schema={})
def hold_installation(_: dg.InitResourceContext) -> Iterator[Installation]:
    """Wait for the home, then hold it until the run ends, however it was started (R29).

    All of a run's steps are in one process, which makes this resource once.
    """
    held = Installation()
    with locking.exclusive(held.home(), say=dg.get_dagster_logger().info):
        yield held


@dg.resource(config_schema={})
def make_dbt(_: dg.InitResourceContext) -> Dbt:
    """The dbt of this installation."""
    return Dbt(
        project_dir=str(project().project_dir),
        dbt_executable=DBT[0],
        # dbt's own log is not redacted; all that matters of it is on the standard output.
        global_config_flags=[*DBT[1:], "--log-level-file", "none"],
    )


@dg.io_manager(config_schema={})
def keep_nothing(_: dg.InitResourceContext) -> dg.InMemoryIOManager:
    """No step hands a value to another. Dagster's own resource for it writes where it is told."""
    return dg.InMemoryIOManager()  # type: ignore[no-untyped-call]


@dg.definitions
def resources() -> dg.Definitions:
    """Every resource by its name, and one process for all steps of a run."""
    return dg.Definitions(
        executor=dg.in_process_executor.configured({}, name="in_process", config_schema={}),
        resources={
            "installation": hold_installation,
            "dbt": make_dbt,
            "io_manager": keep_nothing,
        },
    )
