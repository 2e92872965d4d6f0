"""Running the job for a business date from the command line, load by load."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import date

import dagster as dg

from orchestration import landing, uploads, warehouse
from orchestration.contracts import read_organizations
from orchestration.home import Home

Say = Callable[[str], None]


class RunFailedError(Exception):
    """A step of the run failed; the message names the step and says what it said."""


@dataclass(frozen=True)
class LoadRun:
    """A load that a run carried through to the outboxes and the published copy."""

    load_id: int
    business_date: date


@contextmanager
def exclusive(home: Home) -> Iterator[None]:
    """Hold this home for one run; a second run is told who holds it (R29).

    Raises:
        WarehouseBusyError: another run holds it.

    """
    path = home.root / "run.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise warehouse.WarehouseBusyError(
                f"{home.root} is held by {holder}; wait for it to end, then run again"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        yield


def run_business_date(home: Home, business_date: date, say: Say) -> list[LoadRun]:
    """Run the job until nothing for this date waits any more: one run for each load.

    Args:
        home: the installation; its environment must be set.
        business_date: the partition.
        say: told what is being done.

    Raises:
        RunFailedError: a step failed. Running again carries on from there.

    """
    return _run(home, business_date, say, lambda: False)


def run_uploads(home: Home, business_date: date, say: Say) -> list[LoadRun]:
    """Load the workbooks that were uploaded; inboxes are left for the business date's run (R26).

    Raises:
        RunFailedError: a step failed. Running again carries on from there.

    """
    organizations = read_organizations(home.seeds)

    def is_done() -> bool:
        return not uploads.read_waiting(home, organizations) and not _is_recovery_due(home)

    return _run(home, business_date, say, is_done)


def _run(home: Home, business_date: date, say: Say, is_done: Callable[[], bool]) -> list[LoadRun]:
    """Run load after load until nothing waits, or until `is_done` says so before a load."""
    from orchestration.definitions import defs  # noqa: PLC0415 (reads the home of this process)

    job = defs().resolve_job_def("business_date")
    runs: list[LoadRun] = []
    # dbt tells of each model and test; on a terminal that would hide what matters.
    log = home.root / "logs" / f"{business_date}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.get() as instance:
        while not is_done():
            is_recovery = _is_recovery_due(home)
            if is_recovery:
                say("carrying on with a load that a former run left unfinished")
            with log.open("a", encoding="utf-8") as output, redirect_stdout(output):
                result = job.execute_in_process(
                    instance=instance,
                    partition_key=business_date.isoformat(),
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    raise_on_error=False,
                )
            if not result.success:
                raise RunFailedError(f"{_describe_failure(result)}\nthe whole log: {log}")
            with warehouse.connect(home) as connection:
                load_id = warehouse.last_load_id(connection)
            manifest = landing.read_manifest(home, load_id)
            if manifest is None:
                raise FileNotFoundError(f"the manifest of load {load_id} is not in {home.landing}")
            runs.append(LoadRun(load_id, manifest.business_date))
            if not is_recovery and not manifest.has_files_waiting:
                break
    return runs


def _is_recovery_due(home: Home) -> bool:
    """Whether a load that landed has not been carried through to the end."""
    with warehouse.connect(home) as connection:
        return (
            warehouse.unfinished_load_id(connection) is not None
            or landing.read_manifest(home, warehouse.last_load_id(connection) + 1) is not None
        )


def _describe_failure(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            said = error.message.strip() if error else "no reason given"
            cause = error.cause if error else None
            while cause is not None:
                said, cause = cause.message.strip(), cause.cause
            return f"step {event.step_key} failed: {said}"
    return "the run failed before its first step"
