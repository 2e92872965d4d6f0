"""The alert of a Dagster run that failed or whose checks found something."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator

import dagster as dg

from orchestration.installation.redaction import redact
from orchestration.installation.tracing import WHERE
from orchestration.reports import alerts
from orchestration.reports.alerts import Alert

# Marks a failed step whose description is complete.
TOLD = "told"
# The metadata of a step that wrote the report of the business date: its path.
REPORT = "report"
_TELLING = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}


def alert_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Alert | None:
    """Return the alert of a run that has ended, or None if there is nothing to report."""
    business_date = run.tags.get("dagster/partition")
    what = f"the run of {business_date}" if business_date else f"a run of {run.job_name}"
    events = [
        entry.dagster_event
        for entry in instance.all_logs(run.run_id, of_type=_TELLING)
        if entry.dagster_event is not None
    ]
    if run.status == dg.DagsterRunStatus.FAILURE:
        # What its checks found is told now: the next run looks at what is new to it.
        lines = (*_describe_failures(events), *_describe_checks(events))
        return Alert("failed", f"{what} failed", lines, _find_report(events))
    lines = tuple(_describe_checks(events))
    if not lines:
        return None
    title = f"{what} has warnings"
    return Alert("warning", title, lines, _find_report(events))


def send_alert_of(instance: dg.DagsterInstance, run_id: str) -> None:
    """Send the alert of a run that has ended, if it has one."""
    run = instance.get_run_by_id(run_id)
    alert = alert_of(instance, run) if run else None
    if alert is not None:
        alerts.send(alert, os.environ, dg.get_dagster_logger().warning)


def describe_error(event: dg.DagsterEvent) -> str:
    """Return the root error of a failed step, or a sentence if the machine is the cause."""
    told = find_told(event)
    if told is not None:
        return told
    error = event.step_failure_data.error
    said = error.message.strip() if error else "no reason given"
    cause = error.cause if error else None
    while cause is not None:
        said, cause = cause.message.strip(), cause.cause
    return f"step {event.step_key} failed: {redact(said, os.environ)}"


def trace_failures(events: Iterable[dg.DagsterEvent], output: io.TextIOBase) -> None:
    """Write the tracebacks of failed steps to the log of a run; Dagster keeps them to itself."""
    for event in events:
        if event.is_step_failure and find_told(event) is None:
            error = event.step_failure_data.error
            if error is not None:
                output.write(redact(error.to_string(), os.environ))


def find_told(event: dg.DagsterEvent) -> str | None:
    """Return the description of a failed step if it is complete, else None."""
    failure = event.step_failure_data.user_failure_data
    return failure.description if failure is not None and TOLD in failure.metadata else None


def _find_report(events: list[dg.DagsterEvent]) -> str | None:
    """Return the path of the report that the run wrote; None if it wrote none."""
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            written = event.step_materialization_data.materialization.metadata.get(REPORT)
            if written is not None:
                return str(written.value)
    return None


def _describe_failures(events: list[dg.DagsterEvent]) -> Iterator[str]:
    has_step = is_unforeseen = False
    for event in events:
        if event.is_step_failure:
            has_step = True
            is_unforeseen |= find_told(event) is None
            yield describe_error(event)
        elif event.is_job_failure and not has_step:
            error = event.job_failure_data.error
            yield (error.message if error else event.message or "no reason given").strip()
    if is_unforeseen:
        yield WHERE


def _describe_checks(events: list[dg.DagsterEvent]) -> Iterator[str]:
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                said = evaluation.description
                yield f"{evaluation.check_name}: {said}" if said else evaluation.check_name
