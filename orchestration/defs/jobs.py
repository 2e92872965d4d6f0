"""The job: one business date, from the inboxes to the outboxes."""

import dagster as dg

from orchestration.defs.partitions import business_dates

business_date = dg.define_asset_job(
    "business_date",
    selection=dg.AssetSelection.all(),
    partitions_def=business_dates,
    description="One business date: take, load, build, test, deliver, publish.",
)
