"""The dbt project as assets, its tests as asset checks."""

import os
import sys
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
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
from orchestration.installation import databases, engines, locking, row_views, standing, warehouse
from orchestration.installation.dbt_project import fingerprint
from orchestration.installation.project_yaml import published_tables
from orchestration.installation.redaction import Redacting
from orchestration.intake import rebuilding
from orchestration.reports import progress

_TABLE_NAME = "dagster/table_name"


# The tables of previous runs that a build reads; see SaldoDbtTranslator.get_asset_spec.
_FORMER = {
    "base/debts": "The debts as the former load left them, for a new file to be compared with.",
    "base/debts_history": "The versions of the debts as they were when the build began.",
    "base/customers": "The customers as the former load left them, for a workbook likewise.",
    "base/customer_accounts": "The accounts as the former load left them.",
    "hashes/int_debts__hashed": "The hash of the row that each listed debt last came by.",
    "verdicts/int_intake_files__judged": "The verdicts on the files of former loads.",
    "raw/deliveries": "The delivery ledger: every attempt to deliver a file so far.",
}
_OWN_SOURCES = tuple(f"source.saldo.{name}." for name in ("base", "hashes", "verdicts"))
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


class SaldoDbtTranslator(DagsterDbtTranslator):
    """Groups assets by their folder."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return the asset of a dbt node.

        The sources `base`, `hashes` and `verdicts` are Saldo's own tables as the previous load left
        them. Dagster would identify them with those tables and find a cycle. Without the table's
        name they are separate assets. The types of a seed's columns come from its configuration.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.startswith("seed."):
            columns = _columns_of_seed(manifest["nodes"][unique_id])
            return spec.merge_attributes(metadata={"dagster/column_schema": columns})
        if not unique_id.startswith(_OWN_SOURCES):
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


def _columns_of_seed(node: Mapping[str, Any]) -> dg.TableSchema:
    types = node["config"]["column_types"]
    return dg.TableSchema(
        [
            dg.TableColumn(name, types[name], column["description"])
            for name, column in node["columns"].items()
        ]
    )


def _stream(
    context: dg.AssetExecutionContext, invocation: DbtCliInvocation
) -> Generator[Any, None, dict[str, dg.AssetKey]]:
    """Yield dbt's events as they happen; return the assets that it made, by dbt's ids.

    Raises:
        DagsterDbtCliRuntimeError: dbt failed; its events come first.

    """
    assets: dict[str, dg.AssetKey] = {}
    for event in _with_unchanged(context, invocation.stream()):
        if isinstance(event, dg.Output) and "unique_id" in event.metadata:
            unique_id = event.metadata["unique_id"].value
            assets[str(unique_id)] = context.asset_key_for_output(event.output_name)
        yield event
    return assets


def _observe_rows(
    context: dg.AssetExecutionContext,
    nodes: Mapping[str, Any],
    assets: Mapping[str, dg.AssetKey],
    row_counts: Mapping[tuple[str, str], int],
) -> Iterator[dg.AssetObservation]:
    """Yield the rows of tables; those of published tables are observed when they are published."""
    for unique_id, key in assets.items():
        node = nodes[unique_id]
        count = row_counts.get((node["schema"], node["alias"]))
        if count is not None and node["name"] not in published_tables().values():
            yield dg.AssetObservation(
                key,
                partition=context.partition_key,
                metadata={"dagster/row_count": dg.MetadataValue.int(count)},
            )


def _with_unchanged(context: dg.AssetExecutionContext, events: Iterable[Any]) -> Iterator[Any]:
    """Yield dbt's events, and each asset that the build left out before what is made of it.

    An asset that stands is of this date as it is. dbt builds nothing before what it is made of: an
    asset of which something has been built, and that has not come itself, was left out.
    """
    come: set[dg.AssetKey] = set()

    def unchanged(keys: Collection[dg.AssetKey]) -> Iterator[dg.Output[None]]:
        for key in sorted(set(keys) & context.selected_asset_keys):
            if key not in come:
                come.add(key)
                yield from unchanged(context.assets_def.asset_deps[key])
                name = context.output_for_asset_key(key)
                yield dg.Output(None, name, metadata={"unchanged": True})

    for event in events:
        if isinstance(event, dg.Output):
            key = context.asset_key_for_output(event.output_name)
            yield from unchanged(context.assets_def.asset_deps[key])
            come.add(key)
        elif isinstance(event, dg.AssetCheckResult) and event.asset_key is not None:
            yield from unchanged([event.asset_key])
        yield event
    yield from unchanged(context.selected_asset_keys)


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Have variables in the environment of the processes that are started in this context."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def _describe_test(node: Mapping[str, Any]) -> str:
    """Describe a test: a singular test by its opening comment, a generic one by what it tests."""
    if generic := node.get("test_metadata"):
        names = generic["kwargs"].get("columns") or [node["column_name"]]
        columns = ", ".join(f"`{name}`" for name in names if name)
        return f"The dbt test `{generic['name']}`{columns and f' on {columns}'}."
    lines = takewhile(lambda line: line.startswith("--"), node["raw_code"].lstrip().splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


@dbt_assets(
    manifest=project().manifest_path,
    project=project(),
    dagster_dbt_translator=SaldoDbtTranslator(),
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
    """Run the newest load through the models, snapshots and tests; then it is finished.

    What stands as the former load left it is not built again. After a run of some models only, the
    load is not finished: the next run continues with the others. dbt's unit tests test the SQL, not
    the data: they run with the project's other tests.
    """
    home = installation.home()

    def say(text: str) -> None:
        context.log.info(text)
        progress.send(text)

    engine = engines.chosen()
    # Nobody reads the manifest that dbt would write; writing it takes longer than reading it.
    arguments = ["build", "--no-write-json", "--exclude-resource-type", "unit_test"]
    with guarded(), redirect_stdout(Redacting(sys.stdout, os.environ)):
        project_now = fingerprint(home)
        with warehouse.connect(home) as connection:
            engines.check(connection, home)
            rebuilding.require_to_read(connection, home, say)
            chosen: tuple[str, ...] = ()
            if not context.is_subset:
                chosen = engine.choose_nodes(connection, home, project_now)
            lent = engine.lend(connection, home)
        with locking.lent_to_children(home), row_views.with_rows_checked(), _variables(lent):
            # Only one run at a time: the last run's artifacts are enough.
            target = home.root / "target" / "build"
            invocation = dbt.cli([*arguments, *chosen], context=context, target_path=target)
        # While dbt runs, nobody else can open the warehouse.
        made = yield from _stream(context, invocation)
        engine.bring_back(home, project_now)
        with warehouse.connect(home) as connection:
            row_counts = databases.count_rows(connection)
            if not context.is_subset:
                warehouse.finish_load(connection, warehouse.last_load_id(connection))
                standing.note_build(connection, home, project_now, chosen)
        yield from _observe_rows(context, invocation.manifest["nodes"], made, row_counts)
