"""The intake: inboxes, the events folder, and schema `raw`, which a load fills."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from orchestration.contracts.organizations import FIRST_DATE
from orchestration.defs.partitions import business_dates, one_date_a_run, owners
from orchestration.defs.resources import Installation, guarded
from orchestration.installation import warehouse
from orchestration.installation.errors import WrongUseError
from orchestration.installation.project_yaml import RawTable, raw_tables
from orchestration.intake import loads, timing
from orchestration.reports import progress

# A load fills all of `raw` except the ledger, which deliveries write.
_LOADED = {name: table for name, table in raw_tables().items() if name != "deliveries"}


def _columns(table: RawTable) -> dg.TableSchema:
    """Return the columns of a table of `raw` for the page of its asset."""
    return dg.TableSchema(
        [dg.TableColumn(each.name, each.data_type, each.description) for each in table.columns]
    )


inboxes = dg.AssetSpec(
    ["sftp", "inboxes"],
    group_name="outside",
    owners=owners,
    description="The files that organizations leave in their inboxes.",
    kinds={"sftp"},
)
event_files = dg.AssetSpec(
    ["events", "payment_events"],
    group_name="outside",
    owners=owners,
    description="The payment processors' files of events, one JSON object a line.",
    kinds={"json"},
)
uploaded_workbooks = dg.AssetSpec(
    ["uploads", "customers"],
    group_name="outside",
    owners=owners,
    description="The workbooks of customers that operators upload, by command or page.",
    kinds={"excel"},
)


@dg.multi_asset(
    name="load",
    specs=[
        dg.AssetSpec(
            ["raw", name],
            deps=[inboxes, event_files, uploaded_workbooks],
            group_name="raw",
            owners=owners,
            description=table.description,
            kinds={"duckdb"},
            metadata={"dagster/column_schema": _columns(table)},
        )
        for name, table in _LOADED.items()
    ],
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    pool="warehouse",
)
def load(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> Iterator[dg.MaterializeResult[None]]:
    """Take what is new for a business date and copy it into `raw`, in one transaction."""
    home = installation.home()
    day = date.fromisoformat(context.partition_key)

    def say(text: str) -> None:
        context.log.info(text)
        progress.send(text)

    with guarded(), warehouse.connect(home) as connection:
        # Dagster does not check the tag of a run, and no load can be taken back.
        if not FIRST_DATE <= day <= timing.last_date():
            raise WrongUseError(
                f"{day} cannot be run: dates from {FIRST_DATE} to {timing.last_date()} can"
            )
        carried = loads.carry_next(
            connection,
            home,
            day,
            installation.environment(),
            say=say,
        )
    looks = [f"{look.organization_id}: {look.outcome}" for look in carried.manifest.looks]
    if looks:  # in one message: each message is a write to Dagster's storage
        context.log.info("\n".join(looks))
    for table in _LOADED:
        metadata: dict[str, dg.MetadataValue] = {
            "load_id": dg.MetadataValue.int(carried.manifest.load_id)
        }
        if table in carried.rows:
            metadata["dagster/row_count"] = dg.MetadataValue.int(carried.rows[table])
        yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)
