"""What comes in: the inboxes and the events folder, and schema `raw`, which a load fills."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from orchestration.defs.partitions import business_dates, one_date_a_run, owners
from orchestration.defs.resources import Installation, guarded
from orchestration.installation import warehouse
from orchestration.intake import loads
from orchestration.reports import progress

RAW_TABLES = {
    "loads": "The loads: the unit in which files, events and decisions enter.",
    "contract_organizations": "The contracts that loads were made with: whose they are.",
    "contract_channels": "The contracts that loads were made with: what channels are called.",
    "contract_statuses": "The contracts that loads were made with: what statuses mean.",
    "inbox_looks": "What came of looking into each organization's inbox.",
    "intake_files": "The files received, with the part of the contract that they are read by.",
    "invoices": "The rows of debts files, all text.",
    "organization_payments": "The rows of the organizations' own payments files, all text.",
    "customers": "The rows of workbooks of customers, all text.",
    "intake_decisions": "What operators decided about held files.",
    "payment_events": "The payment processors' events, all text.",
    "enrollment_events": "The payment processors' events of payment methods, all text.",
    "payment_event_refusals": "The processors' lines that are not an event.",
}


def _columns(table: str) -> dg.TableSchema:
    """The columns of a table of `raw`, as the page of its asset shows them."""
    columns = warehouse.columns_of_raw(table)
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns])


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
            ["raw", table],
            deps=[inboxes, event_files, uploaded_workbooks],
            group_name="raw",
            owners=owners,
            description=description,
            kinds={"duckdb"},
            metadata={"dagster/column_schema": _columns(table)},
        )
        for table, description in RAW_TABLES.items()
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

    def say(text: str) -> None:
        context.log.info(text)
        progress.tell(text)

    with guarded(), warehouse.connect(home) as connection:
        carried = loads.carry_next(
            connection,
            home,
            date.fromisoformat(context.partition_key),
            installation.environment(),
            say=say,
        )
    looks = [f"{look.organization_id}: {look.outcome}" for look in carried.manifest.looks]
    if looks:  # told together: each telling is a write of Dagster's
        context.log.info("\n".join(looks))
    for table in RAW_TABLES:
        metadata: dict[str, dg.MetadataValue] = {
            "load_id": dg.MetadataValue.int(carried.manifest.load_id)
        }
        if table in carried.rows:
            metadata["dagster/row_count"] = dg.MetadataValue.int(carried.rows[table])
        yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)
