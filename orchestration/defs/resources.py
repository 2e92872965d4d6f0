"""The resources: the home, held for as long as a run lasts, and dbt."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version

from orchestration import locking
from orchestration.contracts import (
    Organization,
    read_contracts,
)
from orchestration.dbt_project import DBT, project
from orchestration.home import Home
from orchestration.redaction import redact

# What DuckDB says, in dbt's words too, when another process has the file open.
_LOCKED = "Could not set lock on file"
_BUSY_RETRIES = 10
_BUSY_RETRY_SECONDS = 30


class Installation(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One installation of Saldo: its home, its contracts and its secrets, from the environment.

    A run that uses it holds the home, however it was started: all of a run's steps are in one
    process, which makes this resource once.
    """

    @contextmanager
    def yield_for_execution(
        self,
        context: dg.InitResourceContext,  # noqa: ARG002 (Dagster gives it)
    ) -> Iterator["Installation"]:
        """Wait for the home, then hold it until the run ends (R29)."""
        with locking.exclusive(self.home(), say=dg.get_dagster_logger().info):
            yield self

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
        dagster.Failure: the step failed with a text that had to be redacted.

    """
    try:
        yield
    except Exception as error:
        said = str(error)
        if isinstance(error, locking.WarehouseBusyError) or _LOCKED in said:
            raise dg.RetryRequested(
                max_retries=_BUSY_RETRIES, seconds_to_wait=_BUSY_RETRY_SECONDS
            ) from error
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


@dg.definitions
def resources() -> dg.Definitions:
    """Every resource by its name, and one process for all steps of a run."""
    return dg.Definitions(
        executor=dg.in_process_executor,
        resources={
            "installation": Installation(),
            # dbt's own log is not redacted; all that matters of it is on the standard output.
            "dbt": Dbt(
                project_dir=str(project().project_dir),
                dbt_executable=DBT[0],
                global_config_flags=[*DBT[1:], "--log-level-file", "none"],
            ),
        },
    )
