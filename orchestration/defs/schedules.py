"""When the job runs by itself."""

import dagster as dg

from orchestration.defs.jobs import business_date


@dg.schedule(
    job=business_date,
    cron_schedule="5 5 * * *",
    execution_timezone="America/Santiago",
    description="Each business date, a little after the cut-off that contracts have by default.",
)
def every_business_date(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the business date of the scheduled time."""
    day = context.scheduled_execution_time.date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)
