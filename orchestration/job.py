"""Run Dagster's job in this process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date

import dagster as dg

from orchestration.definitions import defs
from orchestration.installation.home import Home
from orchestration.reports import run_alerts

_PRINTED_ONCE = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


@dataclass(frozen=True)
class Failure:
    """How a run failed, and whether the message is complete."""

    said: str
    says_all: bool


@dataclass(frozen=True)
class Job:
    """The job of a business date, and Dagster's run storage."""

    definition: dg.JobDefinition
    instance: dg.DagsterInstance

    def run(self, business_date: date, output: io.TextIOBase) -> Failure | None:
        """Run the job once and send its alert.

        Args:
            business_date: the partition.
            output: receives the output of the steps and of Dagster.

        Returns:
            The failure, or None.

        """
        with redirect_stdout(output), redirect_stderr(output):
            result = self.definition.execute_in_process(
                instance=self.instance,
                partition_key=business_date.isoformat(),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
        run_alerts.trace_failures(result.all_events, output)
        run_alerts.send_alert_of(self.instance, result.run_id)
        return None if result.success else _find_failure(result)


@contextmanager
def opened_job(home: Home) -> Iterator[Job]:
    """Open the job of a home.

    The log of the date already keeps the output of the steps. Dagster would capture it a second
    time, with separate processes that write to the terminal when a disk is full.
    """
    definition = defs().resolve_job_def("business_date")
    with dg.DagsterInstance.local_temp(str(home.dagster), _PRINTED_ONCE) as instance:
        yield Job(definition, instance)


def _find_failure(result: dg.ExecuteInProcessResult) -> Failure:
    failures = [event for event in result.all_events if event.is_step_failure]
    for event in failures:
        told = run_alerts.find_told(event)
        if told is not None:
            return Failure(told, says_all=True)
    if failures:
        return Failure(run_alerts.describe_error(failures[0]), says_all=False)
    return Failure("the run failed before its first step", says_all=False)
