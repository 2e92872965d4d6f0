"""The report of a business date, one file that is printed or attached to an alert (R35)."""

from datetime import date

import dagster as dg

from orchestration.defs.analytics import analytics
from orchestration.defs.outbox import outbox_files
from orchestration.defs.partitions import business_dates, one_date_a_run, owners
from orchestration.defs.resources import Installation, guarded
from orchestration.delivery import published_copy
from orchestration.installation import warehouse
from orchestration.pages import report as reports
from orchestration.reports.run_alerts import REPORT


@dg.asset(
    key=["published", "report"],
    deps=[analytics, outbox_files],
    group_name="published",
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    owners=owners,
    pool="warehouse",
    config_schema={},
    kinds={"html"},
)
def day_report(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult[None]:
    """`reports/DATE.html`: what each organization needed, and its pictures, in one HTML file.

    It shows the published copy after the delivery. While older landed loads are processed, and for
    a date on which no inbox was looked into, there is nothing to report.
    """
    home = installation.home()
    with guarded(), warehouse.connect(home) as connection:
        loads_to_carry = published_copy.count_loads_to_carry(connection, home)
    if loads_to_carry:
        return dg.MaterializeResult(
            metadata={"summary": dg.MetadataValue.md("None: older loads are processed first.")}
        )
    with guarded():
        try:
            written = reports.write(home, date.fromisoformat(context.partition_key))
        except reports.NothingToReportError as error:
            summary = dg.MetadataValue.md(f"None: {error}.")
            return dg.MaterializeResult(metadata={"summary": summary})
    return dg.MaterializeResult(
        metadata={
            "summary": dg.MetadataValue.md(written.summarize()),
            REPORT: dg.MetadataValue.path(str(written.path)),
            "organizations": dg.MetadataValue.int(len(written.lines)),
            "organizations_needing_something": dg.MetadataValue.int(len(written.needing)),
        }
    )
