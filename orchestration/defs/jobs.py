"""The job: one business date, from the inboxes to the outboxes."""

import os

import dagster as dg

# Schedules and sensors are on by default in production (profiles.yml); elsewhere they must be
# switched on.
IS_PRODUCTION = os.environ.get("SALDO_TARGET") == "prod"

business_date = dg.define_asset_job(
    "business_date",
    selection=dg.AssetSelection.all(),
    # A killed run finds the remaining work by itself.
    tags={"dagster/retry_strategy": "ALL_STEPS"},
    description="One business date: take, load, build, test, deliver, publish.",
)
