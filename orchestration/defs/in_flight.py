"""What is due, what is under way, and runs whose process is gone."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.contracts.organizations import Organization
from orchestration.installation import locking
from orchestration.installation.home import Home
from orchestration.intake import timing
from orchestration.landing import manifests

_COMING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]
_MOMENT_SECONDS = 3
# What Dagster says of a run that failed: that it starts it again, and as which run it did.
_STARTS_AGAIN, _STARTED_AGAIN_AS = "dagster/will_retry", "dagster/auto_retry_run_id"
# Longer than Dagster takes to start a run again; it looks every 5 seconds.
_OVERLOOKED_AFTER = timedelta(minutes=1)
# Runs of the delivery alone may be newer than the newest of the whole job.
_NEWEST_RUNS = 20


def find_due_dates(home: Home, organizations: Sequence[Organization], now: datetime) -> list[date]:
    """The business dates to run now by the looks in the manifests, oldest first."""
    since = now.replace(tzinfo=None) - timedelta(days=timing.MAX_DAYS_BACK + 1)
    looks = timing.looks_of(manifests.recent_manifests(home, since))
    return timing.due_dates(organizations, looks, now)


def is_run_in_flight(instance: dg.DagsterInstance, home: Home) -> bool:
    """Whether a run writes or is about to, from the command line too.

    That a run has started is no sign: one that was killed stays so until find_killed_runs.
    """
    coming = instance.get_runs(dg.RunsFilter(statuses=_COMING), limit=1)
    return bool(coming) or locking.holder(home) is not None


def find_killed_runs(instance: dg.DagsterInstance, home: Home) -> list[dg.DagsterRun]:
    """The runs that count as started although nothing holds the home any more.

    A run that ends lets go of the home a moment before it says so; hence two looks.
    """
    suspects = _started_runs(instance)
    if not suspects or locking.holder(home) is not None:
        return []
    time.sleep(_MOMENT_SECONDS)
    if locking.holder(home) is not None:
        return []
    still = {run.run_id for run in _started_runs(instance)}
    return [run for run in suspects if run.run_id in still]


def find_overlooked_run(instance: dg.DagsterInstance, now: datetime) -> dg.DagsterRun | None:
    """The newest run of the whole job, if Dagster was to start it again and has passed it over.

    Dagster writes down that a run has failed, then that it starts it again. Its daemon, if it looks
    between the two, does nothing and never looks again. Whatever was run since has carried through
    what the run left. A run of the command is its operator's to start again.

    Args:
        instance: Dagster's.
        now: an instant with a time zone.

    """
    records = instance.get_run_records(limit=_NEWEST_RUNS)
    newest = next((each for each in records if each.dagster_run.asset_selection is None), None)
    if newest is None or newest.dagster_run.status != dg.DagsterRunStatus.FAILURE:
        return None
    run = newest.dagster_run
    is_to_start = run.tags.get(_STARTS_AGAIN) == "true" and _STARTED_AGAIN_AS not in run.tags
    noted_at = newest.update_timestamp.astimezone(UTC)
    is_late = now - noted_at >= _OVERLOOKED_AFTER
    return run if is_to_start and is_late and run.remote_job_origin is not None else None


def _started_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))
