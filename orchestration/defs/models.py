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


# The tables of previous runs that a build reads; see Rooms.get_asset_spec.
_FORMER = {
    "base/debts": "The debts as the former load left them, for a new file to be compared with.",
    "base/debts_history": "The versions of the debts as they were when the build began.",
    "base/customers": "The customers as the former load left them, for a workbook likewise.",
    "verdicts/int_intake_files__judged": "The verdicts on the files of former loads.",
    "raw/deliveries": "The delivery ledger: every attempt to deliver a file so far.",
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
    """Groups assets by their folder."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return the asset of a dbt node.

        The sources `base` and `verdicts` are Saldo's own tables as the previous load left them.
        Dagster would identify them with those tables and find a cycle. Without the table's name
        they are separate assets.
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
        """Return the check of a dbt test, with a description for its page."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None or spec.description:
            return spec
        return spec._replace(description=_describe_test(manifest["nodes"][unique_id]))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return the owners of every model, seed and snapshot."""
        return owners

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the folder below `models/`, or `contracts` or `marts`."""
        kind = dbt_resource_props["resource_type"]
        if kind == "model":
            return str(dbt_resource_props["fqn"][1])
        return {"seed": "contracts", "snapshot": "marts"}.get(kind)


def _measured(invocation: DbtCliInvocation, home: Home) -> Iterator[Any]:
    """Yield dbt's events once it has released the warehouse: each table with columns and rows.

    Raises:
        DagsterDbtCliRuntimeError: dbt failed; its events come first.

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
    """Return the column types that the YAML lacks; rows unless the published copy gives them."""
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
    """Describe a test: a singular test by its opening comment, a generic one by what it tests."""
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
    """Run the newest load through every model, snapshot and test; then it is finished.

    After a run of some models only, it is not finished: the next run continues with the others.
    dbt's unit tests test the SQL, not the data: they run with the project's other tests.
    """
    home = installation.home()
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    with guarded(), redirect_stdout(Redacting(sys.stdout, os.environ)):
        with locking.lent_to_children(home):
            # Only one run at a time: the last run's artifacts are enough.
            target = home.root / "target" / "build"
            invocation = dbt.cli(arguments, context=context, target_path=target)
        yield from _measured(invocation, home)
        if not context.is_subset:
            with warehouse.connect(home) as connection:
                warehouse.finish_load(connection, warehouse.last_load_id(connection))
