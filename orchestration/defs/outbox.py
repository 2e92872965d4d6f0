"""The outboxes: payments files and answers for the organizations (R19, R24)."""

import dagster as dg

from orchestration.defs.partitions import business_dates, one_date_a_run, owners
from orchestration.defs.resources import Installation, guarded
from orchestration.delivery import ledger, outbox, published_copy
from orchestration.installation import warehouse


@dg.asset(
    key=["outbox", "files"],
    deps=[
        dg.AssetKey(["deliveries"]),
        *(
            dg.AssetKey(["exports", name])
            for name in (
                "exp_payments_file",
                "exp_payments_totals",
                "exp_intake_results",
                "exp_intake_summaries",
            )
        ),
    ],
    group_name="outbox",
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    owners=owners,
    pool="warehouse",
    config_schema={},
    kinds={"sftp"},
)
def outbox_files(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult[None]:
    """Each organization's outbox: payments files, never overwritten, and answers to its files.

    The published copy is renewed if it does not show what has been delivered. If that fails, so
    does this step: the files are delivered, and the next run renews the copy.
    """
    home = installation.home()
    with guarded():
        deliveries = outbox.deliver_due(
            home, installation.organizations(), installation.environment()
        )
    for level, is_delivered in ((context.log.info, True), (context.log.warning, False)):
        lines = [
            f"{each.file.organization_id} {each.file.kind}: {each.outcome}"
            for each in deliveries
            if each.is_delivered is is_delivered
        ]
        if lines:  # in one message: each message is a write to Dagster's storage
            level("\n".join(lines))
    with guarded(), warehouse.connect(home) as connection:
        ledger.restore(connection, home)
        published_copy.renew_after_delivery(connection, home)
    delivered = sum(each.is_delivered for each in deliveries)
    to_try_again = sum(each.may_heal for each in deliveries)
    return dg.MaterializeResult(
        metadata={
            "files_delivered": dg.MetadataValue.int(delivered),
            "files_not_delivered": dg.MetadataValue.int(len(deliveries) - delivered),
            "files_to_try_again": dg.MetadataValue.int(to_try_again),
        }
    )
