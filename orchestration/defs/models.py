"""The dbt project as assets, its tests as asset checks."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from orchestration import locking, warehouse
from orchestration.dbt_project import project
from orchestration.defs.partitions import business_dates, one_date_a_run
from orchestration.defs.resources import Installation, guarded
from orchestration.redaction import Redacting

_TABLE_NAME = "dagster/table_name"


class Rooms(DagsterDbtTranslator):
    """Groups assets by the room of the house that they stand in."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a dbt node.

        The sources `base` and `verdicts` are tables of ours as the former load left them. Dagster
        would know them for those tables and see a circle; without the table's name they stand for
        themselves.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        if not unique_id.startswith(("source.saldo.base.", "source.saldo.verdicts.")):
            return spec
        metadata = {key: value for key, value in spec.metadata.items() if key != _TABLE_NAME}
        return spec.replace_attributes(metadata=metadata)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder below `models/`, or `contracts` and `snapshots`."""
        kind = dbt_resource_props["resource_type"]
        if kind == "model":
            return str(dbt_resource_props["fqn"][1])
        return {"seed": "contracts", "snapshot": "marts"}.get(kind)


@dbt_assets(
    manifest=project().manifest_path,
    project=project(),
    dagster_dbt_translator=Rooms(),
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    pool="warehouse",
    name="models",
)
def models(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, installation: Installation
) -> Iterator[Any]:
    """Carry the newest load through every model, snapshot and test; then it is finished.

    After some of the models alone it is not: the next run carries it through the others. The unit
    tests of dbt prove the SQL, not the data: they run with the other tests of the project.
    """
    home = installation.home()
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    with guarded(), redirect_stdout(Redacting(sys.stdout, os.environ)):
        with locking.lent_to_children(home):
            # One run at a time: the artifacts of the last one are enough.
            target = home.root / "target" / "build"
            invocation = dbt.cli(arguments, context=context, target_path=target)
        yield from invocation.stream()
        if not context.is_subset:
            with warehouse.connect(home) as connection:
                warehouse.finish_load(connection, warehouse.last_load_id(connection))
