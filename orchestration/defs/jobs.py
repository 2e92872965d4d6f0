"""The jobs: one business date, from the inboxes to the outboxes; a look at everything."""

import os

import dagster as dg

from orchestration.defs.resources import guarded
from orchestration.installation.dbt_project import ON_SPARK
from orchestration.installation.home import Home
from orchestration.reports import verifying
from orchestration.reports.run_alerts import TOLD

# Schedules and sensors are on by default in production, on either engine (profiles.yml); elsewhere
# they must be switched on.
IS_PRODUCTION = os.environ.get("SALDO_TARGET") in ("prod", *ON_SPARK)

business_date = dg.define_asset_job(
    "business_date",
    selection=dg.AssetSelection.all(),
    # A killed run finds the remaining work by itself.
    tags={"dagster/retry_strategy": "ALL_STEPS"},
    description="One business date: take, load, build, test, deliver, publish.",
)


@dg.op(config_schema={})
def verify_everything(context: dg.OpExecutionContext) -> None:
    """Do as `verify` does. It holds the home while it reads and copies it, not while it builds."""
    home = Home.from_environment()
    home.create()
    with guarded():
        verified = verifying.verify_whole(home)
    if verified.findings or not verified.is_complete:
        told = verified.findings or verified.remarks
        raise dg.Failure("; ".join(told), metadata={TOLD: True})
    for each in verified.remarks:
        context.log.info(each)


@dg.job(
    description=(
        "Is what landed whole, and does all that was made of it agree? Everything is built once"
        " more beside the warehouse, and dbt's tests look at all rows (`verify`)."
    )
)
def verification() -> None:
    """Change nothing: a run that finds something fails."""
    verify_everything()
