"""Scheduled runs: at the organizations' cut-offs (R11), and a look at everything each week."""

from collections.abc import Iterator
from datetime import UTC

import dagster as dg

from orchestration.contracts.organizations import read_contracts
from orchestration.contracts.tables import ContractError
from orchestration.defs.in_flight import find_due_dates, is_run_in_flight
from orchestration.defs.jobs import IS_PRODUCTION, business_date, verification
from orchestration.installation.home import Home

_STATUS = dg.DefaultScheduleStatus.RUNNING if IS_PRODUCTION else dg.DefaultScheduleStatus.STOPPED


@dg.schedule(
    job=business_date,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=_STATUS,
    description=(
        "Every five minutes: has the cut-off of an organization passed in its own time zone, and"
        " its inbox not been looked into? Then run that business date; dates that were missed come"
        " first, and inboxes that could not be reached are tried again."
    ),
)
def cut_offs(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request the oldest business date that is due; the next tick requests the next one."""
    home = Home.from_environment()
    now = context.scheduled_execution_time.astimezone(UTC)
    if is_run_in_flight(context.instance, home):
        yield dg.SkipReason("a run is under way")
        return
    try:
        organizations = read_contracts(home.seeds)
    except ContractError:
        yield dg.SkipReason("the contracts are wrong: late_arrivals requests a run that says so")
        return
    dates = find_due_dates(home, organizations, now)
    if dates:
        yield dg.RunRequest(partition_key=dates[0].isoformat())
    else:
        yield dg.SkipReason("every inbox has been looked into since its last cut-off")


weekly_verification = dg.ScheduleDefinition(
    job=verification,
    name="weekly_verification",
    cron_schedule="0 3 * * 0",
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Each Sunday at 03:00 UTC: is all that is kept as all that landed makes it?",
)
