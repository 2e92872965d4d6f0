"""What Dagster sees: the exact assets, jobs and schedules, joined into one graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._config import ConfigType, ConfigTypeKind

from orchestration.definitions import defs as assemble
from orchestration.defs.intake import load
from orchestration.defs.resources import Installation
from orchestration.installation.home import PROJECT, Home
from orchestration.landing import manifests

RAW = {
    "contract_channels",
    "contract_organizations",
    "contract_statuses",
    "customers",
    "enrollment_events",
    "inbox_looks",
    "intake_decisions",
    "intake_file_columns",
    "intake_files",
    "invoices",
    "loads",
    "organization_payments",
    "payment_event_ranges",
    "payment_event_refusals",
    "payment_events",
    "row_files",
}
SEEDS = {
    "bank_holidays",
    "column_aliases",
    "enrollment_statuses",
    "intake_codes",
    "organization_defaults",
    "organizations",
    "payment_channels",
    "payment_exception_codes",
    "payment_statuses",
}
STAGING = {
    "stg_deliveries__attempts",
    "stg_base__customer_accounts",
    "stg_base__customers",
    "stg_events__enrollment_events",
    "stg_events__line_ranges",
    "stg_intake__customers",
    "stg_base__debts",
    "stg_base__debts_history",
    "stg_hashes__debts",
    "stg_verdicts__files",
    "stg_contracts__channels_kept",
    "stg_contracts__organizations",
    "stg_contracts__organizations_kept",
    "stg_contracts__statuses_kept",
    "stg_events__payment_events",
    "stg_events__refused_lines",
    "stg_intake__decisions",
    "stg_intake__file_columns",
    "stg_intake__files",
    "stg_intake__inbox_looks",
    "stg_intake__invoice_texts",
    "stg_intake__invoices",
    "stg_intake__loads",
    "stg_intake__organization_payments",
}
INTERMEDIATE = {
    "int_balances__moved",
    "int_business_dates__numbered",
    "int_customer_accounts__touched",
    "int_customers__changed",
    "int_customers__checked",
    "int_customers__claimed",
    "int_customers__compared",
    "int_customers__known",
    "int_customers__named",
    "int_debts__changed",
    "int_debts__compared",
    "int_debts__hashed",
    "int_debts__listed",
    "int_debts__listed_after_paid",
    "int_debts__listed_since",
    "int_debts__spared",
    "int_debts__versioned",
    "int_deliveries__attempted",
    "int_enrollment_events__deduplicated",
    "int_intake_files__answered",
    "int_intake_files__compared",
    "int_intake_files__counted",
    "int_intake_files__differing",
    "int_intake_files__judged",
    "int_intake_files__judged_before",
    "int_intake_files__read",
    "int_intake_files__screened",
    "int_intake_files__standing",
    "int_intake_files__submitted",
    "int_invoices__checked",
    "int_invoices__checked_in_full",
    "int_invoices__recognized",
    "int_money__held",
    "int_money__moved",
    "int_organization_days__closed",
    "int_organization_payments__checked",
    "int_organization_payments__counted",
    "int_organization_payments__versioned",
    "int_payment_events__contradicted",
    "int_payment_events__deduplicated",
    "int_payment_events__understood",
    "int_payment_exceptions__begun",
    "int_payment_exceptions__of_channels",
    "int_payment_exceptions__of_events",
    "int_payment_exceptions__of_files",
    "int_payment_exceptions__of_money",
    "int_payment_exceptions__of_payments",
    "int_outgoing_files__listed",
    "int_payments__versioned",
    "int_payments_files__totaled",
    "int_publications__opened",
    "int_withdrawals__held",
}
MARTS = {
    "campaign_contacts",
    "customer_accounts",
    "customers",
    "customers_history",
    "daily_balance",
    "debts",
    "debts_history",
    "deliveries",
    "enrollments",
    "held_withdrawals",
    "intake_days",
    "intake_file_columns",
    "intake_file_differences",
    "intake_files",
    "intake_rejections",
    "loads",
    "organization_contracts",
    "organization_days",
    "payment_events",
    "payment_exceptions",
    "payments",
    "payments_file_lines",
    "payments_in_process",
    "payments_in_process_ageing",
    "refused_event_lines",
    "unknown_statuses",
}
EXPORTS = {
    "exp_intake_results",
    "exp_intake_summaries",
    "exp_payments_file",
    "exp_payments_totals",
}
OUTSIDE = {
    ("base", "customer_accounts"),
    ("base", "customers"),
    ("base", "debts"),
    ("base", "debts_history"),
    ("hashes", "int_debts__hashed"),
    ("raw", "deliveries"),
    ("verdicts", "int_intake_files__judged"),
    ("events", "payment_events"),
    ("sftp", "inboxes"),
    ("uploads", "customers"),
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return assemble()


def test_the_assets_are_exactly_these(definitions: dg.Definitions) -> None:
    keys = {tuple(key.path) for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == (
        {("raw", name) for name in RAW}
        | {("seeds", name) for name in SEEDS}
        | {("staging", name) for name in STAGING}
        | {("intermediate", name) for name in INTERMEDIATE}
        | {(name,) for name in MARTS}
        | {("exports", name) for name in EXPORTS}
        | {("outbox", "files"), ("published", "analytics"), ("published", "report")}
        | OUTSIDE
    )


def test_the_jobs_schedules_and_sensors_are_exactly_these(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {
        "business_date",
        "verification",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "cut_offs",
        "weekly_verification",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "failure_alerts",
        "killed_runs",
        "landed_loads",
        "late_arrivals",
        "undelivered_files",
        "warning_alerts",
    }


def test_a_run_can_be_configured_in_nothing_but_how_loud_it_is(
    definitions: dg.Definitions,
) -> None:
    jobs = definitions.get_repository_def().get_all_jobs()
    assert len(jobs) == 3
    for job in jobs:
        assert set(_settings(job.run_config_schema.config_type)) == {
            "loggers.console.config.log_level: String",
            "loggers.console.config.name: String",
        }


def _settings(config: ConfigType, path: str = "") -> Iterator[str]:
    """What a request may say: each value that the schema of a run's configuration leaves open."""
    if ConfigTypeKind.has_fields(config.kind):
        for name, field in config.fields.items():  # type: ignore[attr-defined]
            yield from _settings(field.config_type, f"{path}.{name}".lstrip("."))
    else:
        yield f"{path}: {config.given_name or config.key}"


def test_the_checks_are_exactly_the_dbt_data_tests_and_these(definitions: dg.Definitions) -> None:
    tests = {
        node["name"] for node in _manifest()["nodes"].values() if node["resource_type"] == "test"
    }
    checks = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    assert checks == tests | {
        "every_file_is_delivered",
        "every_event_was_read",
        "every_inbox_was_read",
        "every_payment_has_a_contract",
        "every_payment_in_process_is_in_time",
        "every_status_is_known",
        "no_file_is_missing",
        "no_file_waits_for_a_decision",
        "no_file_was_refused",
        "the_newest_day_adds_up",
    }


@pytest.mark.parametrize("day", ["2023-12-31", "2062-03-02"])
def test_a_run_of_a_date_that_is_no_partition_takes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, day: str
) -> None:
    """Its tag may have any date: `dagster job launch --tags`."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    with (
        dg.build_asset_context(partition_key=day) as context,
        pytest.raises(dg.Failure, match=f"{day} cannot be run"),
    ):
        list(load(context, installation=Installation()))
    assert manifests.last_load_id(home) == 0


def test_the_job_carries_every_asset_of_ours(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    selected = definitions.resolve_job_def("business_date").asset_layer.selected_asset_keys
    outside = {dg.AssetKey(list(path)) for path in OUTSIDE}
    assert selected == graph.get_all_asset_keys() - outside


def test_lineage_from_the_inboxes_to_the_outbox_is_one_connected_graph(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    outbox = dg.AssetKey(["outbox", "files"])
    upstream = graph.get_ancestor_asset_keys(outbox)
    assert dg.AssetKey(["sftp", "inboxes"]) in upstream
    assert dg.AssetKey(["events", "payment_events"]) in upstream
    reached, edge = set(), {outbox}
    while edge:
        reached |= edge
        near = {
            key
            for asset in edge
            for key in graph.get(asset).parent_keys | graph.get(asset).child_keys
        }
        edge = near - reached
    # Loads read these, not models: they are kept with each load as its contracts.
    kept = ("column_aliases", "enrollment_statuses", "payment_statuses")
    assert graph.get_all_asset_keys() - reached == {dg.AssetKey(["seeds", name]) for name in kept}


def test_the_published_copy_waits_for_no_delivery_and_a_delivery_for_no_copy(
    definitions: dg.Definitions,
) -> None:
    """R20, R28: the copy is made first, and what delays or ends one step leaves the other."""
    graph = definitions.resolve_asset_graph()
    outbox, analytics = dg.AssetKey(["outbox", "files"]), dg.AssetKey(["published", "analytics"])
    assert outbox not in graph.get_ancestor_asset_keys(analytics)
    assert analytics not in graph.get_ancestor_asset_keys(outbox)
    job = definitions.resolve_job_def("business_date")
    first = {node.name for node in job.nodes if node.tags.get("dagster/priority") == "1"}
    assert first == {"published__analytics"}


def _manifest() -> dict[str, dict[str, Any]]:
    import json

    from orchestration.defs.project import project

    manifest: dict[str, dict[str, Any]] = json.loads(project().manifest_path.read_text())
    return manifest


def test_every_asset_has_an_owner_a_description_and_a_room(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert {tuple(node.owners) for node in nodes} == {("team:data-engineering",)}
    assert [node.key.to_user_string() for node in nodes if not node.description] == []
    assert {node.group_name for node in nodes} == {
        "contracts",
        "exports",
        "former_load",
        "intermediate",
        "marts",
        "outbox",
        "outside",
        "published",
        "raw",
        "staging",
    }


def test_the_page_of_each_check_says_what_is_tested(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    told = {key.name: graph.get_check_spec(key).description or "" for key in graph.asset_check_keys}
    assert [name for name, description in told.items() if not description] == []
    assert (
        told["each_balance_has_an_id_of_its_own"] == "The dbt test `primary_key` on `balance_id`."
    )
    assert "The dbt test `primary_key` on `organization_id`, `business_date`." in told.values()
    singular = {path.stem for path in (PROJECT / "tests").glob("*.sql")}
    assert [name for name in singular if "A row here means" not in told[name]] == []


def test_the_assets_of_raw_show_their_columns(definitions: dg.Definitions) -> None:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["raw", "loads"]))
    schema = node.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [(column.name, column.type) for column in schema.columns] == [
        ("load_id", "bigint"),
        ("loaded_at", "timestamp"),
        ("business_date", "date"),
        ("contracts", "string"),
        ("finished_at", "timestamp"),
    ]
