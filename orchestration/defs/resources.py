"""The resources: the home, held for the duration of a run, and dbt.

A request to Dagster's UI may contain the configuration of a run. So the resources and the executor
have none: a request cannot choose dbt's program or its working folder.
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
from orchestration.installation import dbt_forks, locking
from orchestration.installation.damage import explain
from orchestration.installation.dbt_project import DBT
from orchestration.installation.home import Home
from orchestration.installation.redaction import redact
from orchestration.installation.tracing import trace
from orchestration.reports.run_alerts import TOLD

# DuckDB's message, also as quoted by dbt, when another process has the file open.
_LOCKED = "Could not set lock on file"
_BUSY_RETRIES = 10
_BUSY_RETRY_SECONDS = 30


class Installation:
    """One installation of Saldo: its home, contracts and secrets, from the environment."""

    def home(self) -> Home:
        """Return the home; creates missing folders."""
        home = Home.from_environment()
        home.create()
        return home

    def organizations(self) -> list[Organization]:
        """Read the contracts (R11)."""
        return read_contracts(self.home().seeds)

    def environment(self) -> Mapping[str, str]:
        """Return the variables with the secrets."""
        return os.environ


@contextmanager
def guarded() -> Iterator[None]:
    """Handle the failure of a step: retry it if another process has the warehouse open, since only
    that can resolve by waiting, and keep confidential data out of its error (R30).

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
        # Without the error Dagster keeps no traceback of it.
        trace(error)
        raise dg.Failure(f"{type(error).__name__}: {tellable}") from None


class Dbt(DbtCliResource):
    """dbt, without the steps of dagster-dbt that Saldo does not need.

    These are a dbt process that prints its version, and an adapter in this process for counting
    rows. Together they take as long as a small build.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]  # noqa: ARG002
        return None


@dg.resource(config_schema={})
def hold_installation(_: dg.InitResourceContext) -> Iterator[Installation]:
    """Wait for the home, then hold it until the run ends, however it was started (R29).

    All steps of a run are in one process, which creates this resource once.
    """
    held = Installation()
    with locking.exclusive(held.home(), say=dg.get_dagster_logger().info):
        yield held


@dg.resource(config_schema={})
def make_dbt(_: dg.InitResourceContext) -> Iterator[Dbt]:
    """Give the dbt of this installation, which imports its libraries meanwhile."""
    with dbt_forks.lent():
        program, *arguments = dbt_forks.command() or DBT
        yield Dbt(
            project_dir=str(project().project_dir),
            dbt_executable=program,
            # dbt's own log is not redacted; the relevant part is on the standard output.
            global_config_flags=[*arguments, "--log-level-file", "none"],
        )


@dg.io_manager(config_schema={})
def keep_nothing(_: dg.InitResourceContext) -> dg.InMemoryIOManager:
    """Return an in-memory IO manager: steps pass no values. Dagster's default one writes to a
    configurable path.
    """
    return dg.InMemoryIOManager()  # type: ignore[no-untyped-call]


@dg.definitions
def resources() -> dg.Definitions:
    """Define every resource by name, and one process for all steps of a run."""
    return dg.Definitions(
        executor=dg.in_process_executor.configured({}, name="in_process", config_schema={}),
        resources={
            "installation": hold_installation,
            "dbt": make_dbt,
            "io_manager": keep_nothing,
        },
    )
