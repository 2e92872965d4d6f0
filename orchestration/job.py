"""Dagster's job, carried out in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg

from orchestration import run_alerts
from orchestration.definitions import defs


@dataclass(frozen=True)
class Job:
    """The job of a business date, and where Dagster keeps its runs."""

    definition: dg.JobDefinition
    instance: dg.DagsterInstance

    def run(self, business_date: date) -> str | None:
        """Run the job once and send its alert; how it failed, None if it did not.

        Raises:
            ToldError: it failed, and the message is all that there is to say.

        """
        result = self.definition.execute_in_process(
            instance=self.instance,
            partition_key=business_date.isoformat(),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        run_alerts.send_alert_of(self.instance, result.run_id)
        told = run_alerts.find_told_error(result.all_events)
        if told is not None:
            raise told
        return None if result.success else _describe_failure(result)


@contextmanager
def opened_job() -> Iterator[Job]:
    """The job as the home of this process has it."""
    definition = defs().resolve_job_def("business_date")
    with dg.DagsterInstance.get() as instance:
        yield Job(definition, instance)


def _describe_failure(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            return run_alerts.describe_error(event)
    return "the run failed before its first step"
