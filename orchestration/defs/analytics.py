"""The published copy that analysts read (R28)."""

from datetime import timedelta

import dagster as dg

from orchestration.defs.models import models
from orchestration.defs.partitions import business_dates, one_date_a_run, owners
from orchestration.defs.resources import Installation, guarded
from orchestration.delivery import published_copy
from orchestration.installation import warehouse
from orchestration.installation.project_yaml import published_tables


@dg.asset(
    key=["published", "analytics"],
    deps=[
        key
        for key in models.keys
        if key.path[-1] in published_tables().values() and key.path[0] != "seeds"
    ],
    group_name="published",
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    owners=owners,
    pool="warehouse",
    config_schema={},
    # Before the delivery, which slow servers hold up, and which renews the copy.
    op_tags={"dagster/priority": "1"},
    kinds={"duckdb"},
    freshness_policy=dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=25), fail_window=timedelta(hours=49)
    ),
)
def analytics(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult[None]:
    """`analytics.duckdb`, the read-only copy of the marts, swapped in one step.

    It is not updated while a load is unfinished, whose tests may still fail, nor while older landed
    loads are processed, as in a replay. Analysts keep the copy that they have. It does not depend
    on the delivery, which renews it once more. Each mart's number of rows is reported for the chart
    on its page.
    """
    home = installation.home()
    with guarded(), warehouse.connect(home) as connection:
        loads_to_carry = published_copy.count_loads_to_carry(connection, home)
        rows = {} if loads_to_carry else published_copy.publish(connection, home)
    for table, count in rows.items():
        context.log_event(
            dg.AssetObservation(
                dg.AssetKey(published_tables()[table]),
                partition=context.partition_key,
                metadata={"dagster/row_count": dg.MetadataValue.int(count)},
            )
        )
    return dg.MaterializeResult(
        metadata={
            "loads_to_carry": dg.MetadataValue.int(loads_to_carry),
            **{f"rows/{table}": dg.MetadataValue.int(count) for table, count in rows.items()},
        }
    )
