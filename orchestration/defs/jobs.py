"""The job: one business date, from the inboxes to the outboxes."""

import os

import dagster as dg

# Schedules and sensors are on from the start where Saldo is in production (profiles.yml), and
# elsewhere once someone switches them on.
IS_PRODUCTION = os.environ.get("SALDO_TARGET") == "prod"

business_date = dg.define_asset_job(
    "business_date",
    selection=dg.AssetSelection.all(),
    # A run that was killed finds by itself what is left to do.
    tags={"dagster/retry_strategy": "ALL_STEPS"},
    description="One business date: take, load, build, test, deliver, publish.",
)
