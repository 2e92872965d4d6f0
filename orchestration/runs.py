"""Running the job for a business date from the command line, load by load."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date

import dagster as dg

from orchestration import landing, run_alerts, warehouse
from orchestration.home import Home
from orchestration.locking import exclusive as exclusive  # noqa: PLC0414 (verbs take it from here)


class RunFailedError(Exception):
    """A step of the run failed; the message names the step and says what it said."""


@dataclass(frozen=True)
class LoadRun:
    """A load that a run carried through to the outboxes and the published copy."""

    load_id: int
    business_date: date


def run_business_date(home: Home, business_date: date, say: Callable[[str], None]) -> list[LoadRun]:
    """Run the job until nothing for this date waits any more: one run for each load.

    Args:
        home: the installation; its environment must be set.
        business_date: the partition.
        say: told what is being done.

    Raises:
        RunFailedError: a step failed. Running again carries on from there.

    """
    from orchestration.definitions import defs  # noqa: PLC0415 (reads the home of this process)

    job = defs().resolve_job_def("business_date")
    runs: list[LoadRun] = []
    # dbt tells of each model and test; on a terminal that would hide what matters.
    log = home.root / "logs" / f"{business_date}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.get() as instance:
        while True:
            with warehouse.connect(home) as connection:
                is_recovery = (
                    warehouse.unfinished_load_id(connection) is not None
                    or landing.read_manifest(home, warehouse.last_load_id(connection) + 1)
                    is not None
                )
            if is_recovery:
                say("carrying on with a load that a former run left unfinished")
            with log.open("a", encoding="utf-8") as output, redirect_stdout(output):
                result = job.execute_in_process(
                    instance=instance,
                    partition_key=business_date.isoformat(),
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    raise_on_error=False,
                )
            run_alerts.send_alert_of(instance, result.run_id)
            if not result.success:
                raise RunFailedError(f"{_describe_failure(result)}\nthe whole log: {log}")
            with warehouse.connect(home) as connection:
                load_id = warehouse.last_load_id(connection)
            manifest = landing.read_manifest(home, load_id)
            if manifest is None:
                raise FileNotFoundError(f"the manifest of load {load_id} is not in {home.landing}")
            runs.append(LoadRun(load_id, manifest.business_date))
            if not is_recovery and not manifest.has_files_waiting:
                return runs


def _describe_failure(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            return run_alerts.describe_error(event)
    return "the run failed before its first step"
