"""What analysts read: the published copy (R28)."""

import dagster as dg

from orchestration import landing, publishing, warehouse
from orchestration.defs.models import models
from orchestration.defs.partitions import business_dates, one_date_a_run
from orchestration.defs.resources import Installation, guarded

_PUBLISHED_MODELS = {"organizations": "organization_contracts"}


@dg.asset(
    key=["published", "analytics"],
    deps=[
        key
        for key in models.keys
        if key.path[-1] in {_PUBLISHED_MODELS.get(name, name) for name in publishing.PUBLISHED}
        and key.path[0] != "seeds"
    ],
    group_name="published",
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    pool="warehouse",
    kinds={"duckdb"},
)
def analytics(installation: Installation) -> dg.MaterializeResult[None]:
    """`analytics.duckdb`, the read-only copy of the marts, swapped in one step.

    While loads that landed before are carried through, as in a replay, analysts keep the copy that
    they have: none of them is newer.
    """
    home = installation.home()
    with guarded(), warehouse.connect(home) as connection:
        is_newest = landing.read_manifest(home, warehouse.last_load_id(connection) + 1) is None
        rows = publishing.publish(connection, home) if is_newest else {}
    return dg.MaterializeResult(
        metadata={f"rows/{table}": dg.MetadataValue.int(count) for table, count in rows.items()}
    )
