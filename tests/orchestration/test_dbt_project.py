"""The dbt project as its manifest tells it: one YAML file for each node, everything described."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest

from orchestration.defs.project import project
from orchestration.delivery.published_copy import CHANGED_BY_DELIVERIES
from orchestration.installation.home import PROJECT
from orchestration.installation.project_yaml import published_tables, raw_tables

Node = dict[str, Any]
LONGEST_MODEL = 200


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, Any]]:
    """What dbt makes of the project, as Dagster takes it."""
    read: dict[str, dict[str, Any]] = json.loads(project().manifest_path.read_text())
    return read


def _nodes(manifest: dict[str, dict[str, Any]], *kinds: str) -> Iterator[Node]:
    for node in manifest["nodes"].values():
        if node["resource_type"] in kinds:
            yield node


def _macros(manifest: dict[str, dict[str, Any]]) -> Iterator[Node]:
    """The macros of this project, but those that it gives to dbt: tests, materializations."""
    for macro in manifest["macros"].values():
        if macro["package_name"] == "saldo" and not re.match(
            r"(test|materialization)_|(default|duckdb|spark)__", macro["name"]
        ):
            yield macro


def _yaml_of(node: Node) -> str:
    return str(node["patch_path"] or "").removeprefix("saldo://")


def test_no_model_is_long() -> None:
    models = sorted((PROJECT / "models").rglob("*.sql"))
    counts = {path.stem: len(path.read_text("utf-8").splitlines()) for path in models}
    assert len(counts) > 60
    assert {name: count for name, count in counts.items() if count > LONGEST_MODEL} == {}


def test_the_history_has_a_version_of_each_state_that_the_models_tell_apart(manifest) -> None:
    macro = manifest["macros"]["macro.saldo.is_another_state"]["macro_sql"]
    (columns,) = re.findall(r"set columns = (\[.+?\])", macro, re.DOTALL)
    history = manifest["nodes"]["snapshot.saldo.debts_history"]
    assert ast.literal_eval(columns) == history["config"]["check_cols"]


class TestYaml:
    """Where something is described."""

    def test_each_model_has_a_file_of_its_own_beside_it(self, manifest) -> None:
        files = {node["original_file_path"]: _yaml_of(node) for node in _nodes(manifest, "model")}
        assert len(files) > 60
        assert files == {
            path: str(PurePosixPath(path).with_name(f"_{PurePosixPath(path).stem}.yml"))
            for path in files
        }

    def test_the_tests_of_a_model_are_in_its_file(self, manifest) -> None:
        files = {node["unique_id"]: _yaml_of(node) for node in _nodes(manifest, "model")}
        data_tests = [
            (test["name"], test["original_file_path"], files[test["attached_node"]])
            for test in _nodes(manifest, "test")
            if test.get("attached_node") in files
        ]
        unit_tests = [
            (test["name"], test["original_file_path"], files[f"model.saldo.{test['model']}"])
            for test in manifest["unit_tests"].values()
        ]
        assert len(data_tests) > 50
        assert len(unit_tests) > 100
        assert [each for each in (*data_tests, *unit_tests) if each[1] != each[2]] == []

    def test_each_source_seed_and_snapshot_has_a_file_of_its_own(self, manifest) -> None:
        sources = {
            node["source_name"]: node["original_file_path"] for node in manifest["sources"].values()
        }
        assert sources == {name: f"models/sources/_{name}.yml" for name in sources}
        seeds = {node["name"]: _yaml_of(node) for node in _nodes(manifest, "seed")}
        assert seeds == {name: f"models/seeds/_{name}.yml" for name in seeds}
        snapshots = {
            node["name"]: node["original_file_path"] for node in _nodes(manifest, "snapshot")
        }
        assert snapshots == {name: f"snapshots/{name}.yml" for name in snapshots}

    def test_each_file_of_macros_has_a_file_that_describes_them(self, manifest) -> None:
        described = {
            (macro["original_file_path"], _yaml_of(macro))
            for macro in _macros(manifest)
            if macro["patch_path"]
        }
        assert [
            pair
            for pair in described
            if pair[1]
            != str(PurePosixPath(pair[0]).with_name(f"_{PurePosixPath(pair[0]).stem}.yml"))
        ] == []


class TestDescriptions:
    """Nothing is without one."""

    def test_every_node_and_every_column_is_described(self, manifest) -> None:
        nodes = [
            *_nodes(manifest, "model", "snapshot", "seed"),
            *manifest["sources"].values(),
            *manifest["exposures"].values(),
        ]
        undescribed = [node["unique_id"] for node in nodes if not node["description"].strip()]
        for node in nodes:
            if node["resource_type"] == "exposure":
                continue
            if not node["columns"]:
                undescribed.append(f"{node['unique_id']}.*")
            undescribed += [
                f"{node['unique_id']}.{name}"
                for name, column in node["columns"].items()
                if not column["description"].strip()
            ]
        assert undescribed == []

    def test_every_macro_with_arguments_is_described_with_each_of_them(self, manifest) -> None:
        written = {}
        for macro in _macros(manifest):
            signature = re.search(rf"macro {macro['name']}\(([^)]*)\)", macro["macro_sql"])
            names = [name.strip() for name in signature[1].split(",")] if signature else []
            written[macro["name"]] = [name for name in names if name]
        described = {
            macro["name"]: [
                argument["name"] for argument in macro["arguments"] if argument["description"]
            ]
            for macro in _macros(manifest)
            if macro["description"].strip()
        }
        assert len(written) > 30
        assert {name for name, names in written.items() if names} - described.keys() == set()
        assert described == {name: written[name] for name in described}


class TestPublished:
    """What leaves the warehouse is in one list, and in an exposure."""

    def test_what_is_published_is_what_says_so(self, manifest) -> None:
        assert published_tables() == {
            node["alias"]: node["name"]
            for node in sorted(
                _nodes(manifest, "model", "snapshot"), key=lambda node: node["original_file_path"]
            )
            if node["config"]["meta"].get("published")
        }
        assert len(published_tables()) > 15

    def test_what_is_published_is_in_the_file_that_is_copied_and_nothing_else_is(
        self, manifest
    ) -> None:
        """R28. Views over what a delivery changes are all that the copy gets besides."""
        nodes = list(_nodes(manifest, "model", "snapshot", "seed"))
        in_the_file = {
            (node["schema"], node["alias"]) for node in nodes if node["database"] == "marts"
        }
        views = {
            node["alias"]
            for node in nodes
            if node["alias"] in published_tables() and node["config"]["materialized"] == "view"
        }
        assert views == set(CHANGED_BY_DELIVERIES)
        assert in_the_file == {("main", table) for table in published_tables().keys() - views}
        sources = manifest["sources"].values()
        assert {node["name"] for node in sources if node["database"] == "marts"} == {
            node["name"] for node in sources if node["source_name"] == "base"
        }

    def test_the_published_copy_is_an_exposure_of_what_is_published(self, manifest) -> None:
        exposure = manifest["exposures"]["exposure.saldo.analytics_copy"]
        names = [node.rpartition(".")[2] for node in exposure["depends_on"]["nodes"]]
        assert sorted(names) == sorted(published_tables().values())
        overview = (PROJECT / "models" / "overview.md").read_text()
        assert [name for name in published_tables() if f"`{name}`" not in overview] == []

    def test_every_exported_table_is_in_an_exposure(self, manifest) -> None:
        exposed = {
            node
            for exposure in manifest["exposures"].values()
            for node in exposure["depends_on"]["nodes"]
        }
        exported = {
            node["unique_id"] for node in _nodes(manifest, "model") if node["fqn"][1] == "exports"
        }
        assert len(exported) >= 4
        assert exported - exposed == set()


def test_python_makes_schema_raw_of_what_the_source_says(manifest) -> None:
    sources = [node for node in manifest["sources"].values() if node["source_name"] == "raw"]
    assert {
        name: [(column.name, column.data_type, column.constraints) for column in table.columns]
        for name, table in raw_tables().items()
    } == {
        node["name"]: [
            (
                name,
                column["data_type"],
                tuple(each["type"].replace("_", " ") for each in column["constraints"]),
            )
            for name, column in node["columns"].items()
        ]
        for node in sources
    }


# Which layer may read which.
LAYERS = {
    "staging": {"sources", "seeds"},
    "intermediate": {"staging", "intermediate"},
    "snapshots": {"intermediate"},
    "marts": {"intermediate", "marts"},
    "exports": {"marts"},
}
# Every exception by its reason: the model, and what it reads.
EXCEPTIONS = {
    "the load that the build processes is the same for every layer": {
        ("customers", "stg_intake__loads"),
        ("debts", "stg_intake__loads"),
        ("enrollments", "stg_intake__loads"),
        ("intake_days", "stg_intake__loads"),
        ("intake_files", "stg_intake__loads"),
        ("intake_rejections", "stg_intake__loads"),
        ("loads", "stg_intake__loads"),
        ("payment_events", "stg_intake__loads"),
        ("payment_exceptions", "stg_intake__loads"),
        ("payments", "stg_intake__loads"),
        ("payments_file_lines", "stg_intake__loads"),
        ("payments_in_process", "stg_intake__loads"),
        ("refused_event_lines", "stg_intake__loads"),
        ("unknown_statuses", "stg_intake__loads"),
    },
    "a row is read by the contract that its file came under": {
        ("stg_intake__customers", "stg_intake__files"),
        ("stg_intake__invoice_texts", "stg_intake__files"),
        ("stg_intake__invoices", "stg_intake__files"),
        ("stg_intake__organization_payments", "stg_intake__files"),
    },
    "an event is read by the contracts that its load was made with": {
        ("stg_events__enrollment_events", "stg_contracts__organizations_kept"),
        ("stg_events__enrollment_events", "stg_contracts__statuses_kept"),
        ("stg_events__enrollment_events", "stg_intake__loads"),
        ("stg_events__payment_events", "stg_contracts__channels_kept"),
        ("stg_events__payment_events", "stg_contracts__organizations_kept"),
        ("stg_events__payment_events", "stg_contracts__statuses_kept"),
        ("stg_events__payment_events", "stg_intake__loads"),
        ("enrollments", "stg_contracts__organizations_kept"),
        ("enrollments", "stg_contracts__statuses_kept"),
        ("unknown_statuses", "stg_contracts__statuses_kept"),
    },
    "the mart shows what came, and nothing is decided about it in between": {
        ("intake_days", "stg_intake__inbox_looks"),
        ("intake_file_columns", "stg_intake__file_columns"),
        ("intake_files", "stg_intake__files"),
        ("loads", "stg_events__line_ranges"),
        ("loads", "stg_intake__decisions"),
        ("loads", "stg_intake__inbox_looks"),
        ("organization_contracts", "stg_contracts__organizations"),
        ("refused_event_lines", "stg_events__refused_lines"),
    },
    "a refused row is shown as its file writes it": {
        ("intake_rejections", "stg_intake__files"),
        ("intake_rejections", "stg_intake__organization_payments"),
    },
    "a list of codes, channels or holidays has typed columns: nothing is left to stage": {
        ("int_business_dates__numbered", "bank_holidays"),
        ("int_intake_files__answered", "intake_codes"),
        ("int_payment_exceptions__of_channels", "payment_channels"),
        ("intake_files", "intake_codes"),
        ("intake_rejections", "intake_codes"),
        ("payment_exceptions", "payment_exception_codes"),
        ("payments_in_process", "payment_channels"),
    },
    "what changed in a mart is known once the mart is built": {
        ("int_customer_accounts__touched", "debts"),
        ("int_customers__changed", "customers"),
        ("int_customers__claimed", "debts"),
        ("int_customers__claimed", "deliveries"),
        ("int_customers__claimed", "intake_files"),
        ("int_customers__claimed", "payments"),
        ("int_customers__known", "campaign_contacts"),
        ("int_customers__known", "customers"),
        ("int_customers__known", "enrollments"),
        ("int_customers__claimed", "payments_file_lines"),
        ("int_debts__changed", "debts"),
        ("int_debts__hashed", "debts"),
        ("int_balances__moved", "debts_history"),
        ("int_debts__listed_after_paid", "debts_history"),
        ("int_debts__versioned", "debts_history"),
        ("int_money__moved", "payments_file_lines"),
        ("int_organization_days__closed", "debts"),
        ("int_organization_days__closed", "intake_days"),
        ("int_organization_days__closed", "intake_files"),
        ("int_organization_days__closed", "payment_exceptions"),
        ("int_organization_days__closed", "payments_in_process"),
        ("int_payment_exceptions__of_events", "payments"),
        ("int_payment_exceptions__of_files", "debts"),
        ("int_payment_exceptions__of_files", "payments"),
        ("int_payments_files__totaled", "payments_file_lines"),
    },
    "when a file is due and in which form is plumbing that analysts do not query": {
        ("exp_intake_results", "int_intake_files__answered"),
        ("exp_intake_summaries", "int_intake_files__answered"),
        ("exp_payments_file", "int_publications__opened"),
        ("exp_payments_totals", "int_publications__opened"),
    },
}


def _layer_of(node: Node) -> str:
    """The folder of a model; seeds, snapshots and sources by their kind."""
    kind = str(node["resource_type"])
    return str(node["fqn"][1]) if kind == "model" else f"{kind}s"


def test_each_layer_reads_what_it_may_and_the_exceptions_are_these(manifest) -> None:
    nodes = {**manifest["nodes"], **manifest["sources"]}
    others = {
        (node["name"], nodes[read]["name"])
        for node in _nodes(manifest, "model", "snapshot")
        for read in node["depends_on"]["nodes"]
        if _layer_of(nodes[read]) not in LAYERS[_layer_of(node)]
    }
    excepted = [edge for edges in EXCEPTIONS.values() for edge in edges]
    assert len(excepted) == len(set(excepted))
    assert others == set(excepted)
