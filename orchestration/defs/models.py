"""The dbt project as assets, its tests as asset checks."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from itertools import takewhile
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtProject,
    dbt_assets,
)

from orchestration.defs.partitions import business_dates, one_date_a_run, owners
from orchestration.defs.project import project
from orchestration.defs.resources import Dbt, Installation, guarded
from orchestration.installation import locking, warehouse
from orchestration.installation.home import Home
from orchestration.installation.project_yaml import published_tables
from orchestration.installation.redaction import Redacting

_TABLE_NAME = "dagster/table_name"


# What a build reads of the build before it; see Rooms.get_asset_spec.
_FORMER = {
    "base/debts": "The debts as the former load left them, for a new file to be compared with.",
    "base/debts_history": "The versions of the debts as they were when the build began.",
    "base/customers": "The customers as the former load left them, for a workbook likewise.",
    "verdicts/int_intake_files__judged": "The verdicts on the files of former loads.",
}
former = [
    dg.AssetSpec(
        name.split("/"),
        group_name="former_load",
        owners=owners,
        description=description,
        kinds={"duckdb"},
    )
    for name, description in _FORMER.items()
]


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

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """The check of a dbt test, with what its page says of it."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None or spec.description:
            return spec
        return spec._replace(description=_describe_test(manifest["nodes"][unique_id]))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Who answers for every model, seed and snapshot."""
        return owners

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder below `models/`, or `contracts` and `snapshots`."""
        kind = dbt_resource_props["resource_type"]
        if kind == "model":
            return str(dbt_resource_props["fqn"][1])
        return {"seed": "contracts", "snapshot": "marts"}.get(kind)


def _measured(invocation: DbtCliInvocation, home: Home) -> Iterator[Any]:
    """What dbt did, told once it has let go of the warehouse: each table with columns and rows.

    Raises:
        DagsterDbtCliRuntimeError: dbt failed; what it did before is told first.

    """
    events: list[Any] = []
    failure: Exception | None = None
    try:
        for event in invocation.stream():
            events.append(event)
    except Exception as error:
        failure = error
    with warehouse.connect(home) as connection:
        relations = warehouse.read_relations(connection)
    nodes = invocation.manifest["nodes"]
    for event in events:
        node = nodes.get(_dbt_id_of(event), {})
        relation = relations.get((node.get("schema"), node.get("alias")))
        if isinstance(event, dg.Output) and relation is not None:
            event = event.with_metadata({**event.metadata, **_metadata_of(relation, node)})  # noqa: PLW2901
        yield event
    if failure is not None:
        raise failure


def _dbt_id_of(event: Any) -> str | None:
    said = getattr(event, "metadata", {}).get("unique_id")
    return said.value if said is not None else None


def _metadata_of(
    relation: warehouse.Relation, node: Mapping[str, Any]
) -> dict[str, dg.MetadataValue]:
    """Columns with the types that no YAML has; rows, unless the published copy tells them."""
    metadata: dict[str, dg.MetadataValue] = {}
    described = node["columns"]
    if not all(column["data_type"] for column in described.values()):
        columns = [
            dg.TableColumn(name, kind, described.get(name, {}).get("description"))
            for name, kind in relation.columns
        ]
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(dg.TableSchema(columns))
    if relation.row_count is not None and node["name"] not in published_tables().values():
        metadata["dagster/row_count"] = dg.MetadataValue.int(relation.row_count)
    return metadata


def _describe_test(node: Mapping[str, Any]) -> str:
    """What a singular test opens with says what a row would mean; others name what they test."""
    if generic := node.get("test_metadata"):
        column = f" on column `{node['column_name']}`" if node.get("column_name") else ""
        return f"The dbt test `{generic['name']}`{column}."
    lines = takewhile(lambda line: line.startswith("--"), node["raw_code"].lstrip().splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


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
    context: dg.AssetExecutionContext,
    dbt: dg.ResourceParam[Dbt],
    installation: dg.ResourceParam[Installation],
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
        yield from _measured(invocation, home)
        if not context.is_subset:
            with warehouse.connect(home) as connection:
                warehouse.finish_load(connection, warehouse.last_load_id(connection))
