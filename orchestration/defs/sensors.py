"""Sensors: runs between the cut-offs, and monitoring of runs."""

import hashlib
import os
from datetime import UTC, datetime

import dagster as dg

from orchestration.contracts.organizations import read_contracts
from orchestration.contracts.tables import ContractError
from orchestration.defs.analytics import analytics
from orchestration.defs.in_flight import (
    find_due_dates,
    find_killed_runs,
    find_overlooked_run,
    is_run_in_flight,
)
from orchestration.defs.jobs import IS_PRODUCTION, business_date
from orchestration.defs.outbox import outbox_files
from orchestration.delivery.attempts import is_delivery_due
from orchestration.installation.clock import utc_now
from orchestration.installation.home import Home
from orchestration.intake import arrivals, timing
from orchestration.landing import manifests
from orchestration.reports.run_alerts import send_alert_of

_STATUS = dg.DefaultSensorStatus.RUNNING if IS_PRODUCTION else dg.DefaultSensorStatus.STOPPED


@dg.sensor(
    job=business_date,
    minimum_interval_seconds=60,
    default_status=_STATUS,
    description=(
        "Late and corrected files in the inboxes, approvals and uploads in the spools, new payment"
        " events: whatever waits for a load makes the job run."
    ),
)
def late_arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Request the oldest business date that something waits for."""
    home, now = Home.from_environment(), utc_now()
    if is_run_in_flight(context.instance, home):
        return dg.SkipReason("a run is under way")
    try:
        organizations = read_contracts(home.seeds)
    except ContractError as error:
        return _request_failure(home, error, now)
    # Checking a newer date first would skip a missed one.
    if find_due_dates(home, organizations, now):
        return dg.SkipReason("a cut-off is due, which goes first")
    memory, dates = arrivals.look(
        home,
        organizations,
        arrivals.Memory.from_json(context.cursor),
        os.environ,
        now,
    )
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=day.isoformat()) for day in dates],
        skip_reason=None if dates else "nothing waits for a load",
        cursor=memory.to_json(),
    )


def _request_failure(home: Home, error: ContractError, now: datetime) -> dg.SensorResult:
    """Request a run that fails because of wrong contracts: its failure is told, a sensor's is not.

    Each problem is told once a day. The run is of a date that was run before: if somebody mends the
    contracts before it begins, it repeats that date.
    """
    told = hashlib.sha256(str(error).encode()).hexdigest()[:16]
    looked = manifests.newest_look(home)
    day = looked[0].business_date if looked else timing.last_date()
    request = dg.RunRequest(run_key=f"contracts {now.date()} {told}", partition_key=day.isoformat())
    return dg.SensorResult(run_requests=[request])


@dg.sensor(
    job=business_date,
    minimum_interval_seconds=300,
    default_status=_STATUS,
    description="Sends again the files whose server could not be reached.",
)
def undelivered_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request a delivery-only run, half an hour after an attempt that may succeed on a retry."""
    home, now = Home.from_environment(), utc_now()
    event = context.instance.get_latest_materialization_event(outbox_files.key)
    if event is None or event.asset_materialization is None:
        return dg.SkipReason("nothing has been delivered yet")
    count = event.asset_materialization.metadata["files_to_try_again"].value
    attempted_at = datetime.fromtimestamp(event.timestamp, UTC)
    if not is_delivery_due(int(str(count)), attempted_at, now):
        return dg.SkipReason("no delivery waits for another attempt")
    if is_run_in_flight(context.instance, home):
        return dg.SkipReason("a run is under way")
    return dg.RunRequest(
        partition_key=event.asset_materialization.partition, asset_selection=[outbox_files.key]
    )


@dg.sensor(
    job=business_date,
    minimum_interval_seconds=10,
    default_status=_STATUS,
    description="A run carries one load: while more have landed, as in a replay, the next follows.",
)
def landed_loads(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request one run after each run that left loads behind; a failed run waits for a person."""
    event = context.instance.get_latest_materialization_event(analytics.key)
    if event is None or event.asset_materialization is None:
        return dg.SkipReason("nothing has been published yet")
    left = event.asset_materialization.metadata.get("loads_to_carry")
    if left is None or not left.value:
        return dg.SkipReason("every load that landed is in the warehouse")
    if is_run_in_flight(context.instance, Home.from_environment()):
        return dg.SkipReason("a run is under way")
    return dg.RunRequest(run_key=event.run_id, partition_key=event.asset_materialization.partition)


@dg.sensor(
    job=business_date,
    minimum_interval_seconds=60,
    default_status=_STATUS,
    description=(
        "Runs whose process was killed are marked as failed, so that others may start, and asked"
        " for again if Dagster has not started them again a minute later."
    ),
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Mark killed runs as failed; Dagster retries them, and this sensor those that it missed."""
    home = Home.from_environment()
    killed = find_killed_runs(context.instance, home)
    for run in killed:
        context.instance.report_run_failed(run, "the process of this run was killed")
    overlooked = find_overlooked_run(context.instance, utc_now())
    if overlooked is None or is_run_in_flight(context.instance, home):
        return dg.SkipReason(f"{len(killed)} killed runs found")
    partition = overlooked.tags.get("dagster/partition")
    return dg.RunRequest(run_key=overlooked.run_id, partition_key=partition)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    minimum_interval_seconds=30,
    default_status=_STATUS,
    description="A run that failed is told to whom SALDO_ALERT_COMMAND and _WEBHOOK name.",
)
def failure_alerts(context: dg.RunStatusSensorContext) -> None:
    """Send the alert; runs from the command line send their own."""
    send_alert_of(context.instance, context.dagster_run.run_id)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=30,
    default_status=_STATUS,
    description="A run whose checks found something is told to the same.",
)
def warning_alerts(context: dg.RunStatusSensorContext) -> None:
    """Send the alert if there is something to report."""
    send_alert_of(context.instance, context.dagster_run.run_id)
