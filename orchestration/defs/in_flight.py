"""What is due, what is under way, and runs whose process is gone."""

import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from orchestration import landing, locking, timing
from orchestration.contracts import Organization
from orchestration.home import Home

_COMING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]
_MOMENT_SECONDS = 3


def find_due_dates(home: Home, organizations: Sequence[Organization], now: datetime) -> list[date]:
    """The business dates to run now by the looks in the manifests, oldest first."""
    since = now.replace(tzinfo=None) - timedelta(days=timing.MAX_DAYS_BACK + 1)
    looks = timing.looks_of(landing.recent_manifests(home, since))
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


def _started_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))
