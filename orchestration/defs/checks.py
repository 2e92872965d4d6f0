"""Asset checks on intake and delivery: they are warnings and block nothing.

Checks that must stop a run are dbt tests.
"""

import inspect
from collections.abc import Callable, Iterator

import dagster as dg

from orchestration.defs.outbox import outbox_files
from orchestration.defs.resources import Installation, guarded
from orchestration.delivery import ledger
from orchestration.installation import warehouse
from orchestration.installation.databases import Connection
from orchestration.reports import findings
from orchestration.reports.findings import Finding

LOOKS = dg.AssetKey(["raw", "inbox_looks"])
FILES = dg.AssetKey(["intake_files"])
DAYS = dg.AssetKey(["intake_days"])
EVENTS = dg.AssetKey(["refused_event_lines"])
EXCEPTIONS = dg.AssetKey(["payment_exceptions"])
STATUSES = dg.AssetKey(["unknown_statuses"])
IN_PROCESS = dg.AssetKey(["payments_in_process"])
BALANCE = dg.AssetKey(["daily_balance"])
_Find = Callable[[Connection, int], Finding]
_OF_A_LOAD: dict[str, tuple[dg.AssetKey, _Find]] = {
    "the_newest_day_adds_up": (BALANCE, findings.find_unbalanced_days),
    "every_inbox_was_read": (LOOKS, findings.find_inboxes_not_read),
    "no_file_is_missing": (DAYS, findings.find_missing_files),
    "no_file_was_refused": (FILES, findings.find_refused_files),
    "every_event_was_read": (EVENTS, findings.find_refused_events),
    "no_file_waits_for_a_decision": (FILES, findings.find_held_files),
    "every_payment_has_a_contract": (EXCEPTIONS, findings.find_payments_without_contract),
    "every_status_is_known": (STATUSES, findings.find_unknown_statuses),
    "every_payment_in_process_is_in_time": (IN_PROCESS, findings.find_overdue_payments),
}


@dg.multi_asset_check(
    name="load_checks",
    specs=[
        dg.AssetCheckSpec(
            name,
            asset=asset,
            description=inspect.getdoc(find),
            additional_deps=[FILES] if asset != FILES else [],
        )
        for name, (asset, find) in _OF_A_LOAD.items()
    ],
    pool="warehouse",
    can_subset=True,
)
def load_checks(
    context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
) -> Iterator[dg.AssetCheckResult]:
    """Run the selected checks of the newest load: they share one opening of the warehouse."""
    asked = context.selected_asset_check_keys
    with guarded(), warehouse.connect(installation.home()) as connection:
        load_id = warehouse.last_load_id(connection)
        for name, (asset, find) in _OF_A_LOAD.items():
            if dg.AssetCheckKey(asset, name) in asked:
                yield _to_result(find(connection, load_id), name, asset)


@dg.asset_check(asset=outbox_files, pool="warehouse", config_schema={})
def every_file_is_delivered(installation: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
    """The published files that no attempt has delivered (R24).

    A file that the receiver may have (`taken_unread`, `unconfirmed`) is reported once.
    """
    home = installation.home()
    with guarded(), warehouse.connect(home) as connection:
        found = findings.find_undelivered_files(connection, ledger.last_told(home))
        ledger.note_told(home, warehouse.last_batch_id(connection))
    return _to_result(found)


def _to_result(
    finding: Finding, name: str | None = None, asset: dg.AssetKey | None = None
) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {
        "cases": dg.MetadataValue.int(len(finding.rows)),
    }
    for name_of_figure, value in finding.figures.items():
        metadata[name_of_figure] = dg.MetadataValue.float(float(value))
    if shown := finding.rows or finding.context:
        records = [dg.TableRecord(dict(row)) for row in shown[:100]]
        metadata["table"] = dg.MetadataValue.table(records)
    return dg.AssetCheckResult(
        passed=finding.is_good,
        check_name=name,
        asset_key=asset,
        severity=dg.AssetCheckSeverity.WARN,
        description=finding.sentence,
        metadata=metadata,
    )
