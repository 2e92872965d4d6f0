"""Due dates, runs in progress, and runs whose process is gone."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.contracts.organizations import Organization
from orchestration.installation import locking
from orchestration.installation.clock import naive_utc
from orchestration.installation.home import Home
from orchestration.intake import timing
from orchestration.landing import manifests

_COMING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]
# The job that changes nothing, and that holds the home for a while only.
VERIFICATION = "verification"
_MOMENT_SECONDS = 3
# Dagster's tags on a failed run: that it will be retried, and the id of the retry.
_STARTS_AGAIN, _STARTED_AGAIN_AS = "dagster/will_retry", "dagster/auto_retry_run_id"
# Longer than Dagster takes to start a retry; it checks every 5 seconds.
_OVERLOOKED_AFTER = timedelta(minutes=1)
# Delivery-only runs may be newer than the newest run of the whole job.
_NEWEST_RUNS = 20


def find_due_dates(home: Home, organizations: Sequence[Organization], now: datetime) -> list[date]:
    """Return the business dates to run now, by the inbox checks in the manifests, oldest first.

    However long ago the newest check was, it says which dates have been missed since.
    """
    since = naive_utc(now) - timedelta(days=timing.MAX_DAYS_BACK + 1)
    looks = timing.looks_of(manifests.recent_manifests(home, since))
    return timing.due_dates(
        organizations, looks or timing.looks_of(manifests.newest_look(home)), now
    )


def is_run_in_flight(instance: dg.DagsterInstance, home: Home) -> bool:
    """Return whether a run is writing or about to, including runs of the command line.

    The status "started" is not enough: a killed run keeps it until find_killed_runs.
    """
    coming = instance.get_runs(dg.RunsFilter(statuses=_COMING))
    is_coming = any(run.job_name != VERIFICATION for run in coming)
    return is_coming or locking.holder(home) is not None


def find_killed_runs(instance: dg.DagsterInstance, home: Home) -> list[dg.DagsterRun]:
    """Find runs with the status "started" although nothing holds the home any more.

    A verification holds the home, and then only its copy of the warehouse. A run releases either a
    moment before it changes its status; hence two checks.
    """
    suspects = {run.run_id for run in _runs_held_by_nobody(instance, home)}
    if not suspects:
        return []
    time.sleep(_MOMENT_SECONDS)
    return [run for run in _runs_held_by_nobody(instance, home) if run.run_id in suspects]


def find_overlooked_run(instance: dg.DagsterInstance, now: datetime) -> dg.DagsterRun | None:
    """Return the newest run of the whole job if Dagster should have retried it but did not.

    Dagster records that a run has failed, and then that it will retry it. If its daemon checks
    between the two, it does nothing and never checks again. Any later run has completed what this
    run left. A run of the command is retried by its operator.

    Args:
        instance: Dagster's instance.
        now: an instant with a time zone.

    """
    records = instance.get_run_records(limit=_NEWEST_RUNS)
    whole = (each for each in records if each.dagster_run.asset_selection is None)
    newest = next((each for each in whole if each.dagster_run.job_name != VERIFICATION), None)
    if newest is None or newest.dagster_run.status != dg.DagsterRunStatus.FAILURE:
        return None
    run = newest.dagster_run
    is_to_start = run.tags.get(_STARTS_AGAIN) == "true" and _STARTED_AGAIN_AS not in run.tags
    noted_at = newest.update_timestamp.astimezone(UTC)
    is_late = now - noted_at >= _OVERLOOKED_AFTER
    return run if is_to_start and is_late and run.remote_job_origin is not None else None


def _runs_held_by_nobody(instance: dg.DagsterInstance, home: Home) -> list[dg.DagsterRun]:
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    if not started or locking.holder(home) is not None:
        return []
    is_verifying = locking.holder(home.verifying) is not None
    return [run for run in started if not (is_verifying and run.job_name == VERIFICATION)]
