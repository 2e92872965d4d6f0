"""Load a manifest into schema `raw`, in one transaction: everything or nothing (R29)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.contracts.event_words import EventWords, read_event_words
from orchestration.contracts.organizations import (
    Organization,
    read_column_aliases,
    read_organizations,
)
from orchestration.formats import event_lines
from orchestration.formats.event_lines import ENROLLMENT, PAYMENT, Event, Refusal
from orchestration.installation import warehouse
from orchestration.installation.clock import naive_utc
from orchestration.installation.databases import Connection, read_value, transaction
from orchestration.installation.home import Home
from orchestration.intake.copying import ROW_TABLES, Copied, copy_files, json_lines
from orchestration.landing import row_files, store
from orchestration.landing.event_files import MESSAGES, Position
from orchestration.landing.manifests import EventRange, LandedFile, Look, Manifest
from orchestration.landing.row_files import RowFile
from orchestration.landing.sealing import require_named

# The fields of a manifest that the table lacks: how its bytes are kept and split.
_OF_THE_BYTES = ("delimiter", "kept_sha256")


def load(
    connection: Connection,
    home: Home,
    manifest: Manifest,
) -> dict[str, int]:
    """Copy everything that a manifest names into `raw.*`, with the contracts of its time (R11).

    The rows of files become files beside the landed bytes, which `raw` shows (R31).

    Args:
        connection: the warehouse.
        home: the installation.
        manifest: the load.

    Returns:
        Rows written, by table of `raw`.

    Raises:
        DamagedError: a file, a range of events or the contracts have changed since they landed.

    """
    store.require_contracts(home, manifest.contracts)
    store.complete_contracts(home, manifest.contracts)
    kept = store.contracts_path(home, manifest.contracts)
    contracts = {each.organization_id: each for each in read_organizations(kept)}
    aliases = read_column_aliases(kept)
    words = read_event_words(kept)
    load_id = manifest.load_id
    row_files.sweep_load(connection, home, load_id)
    with transaction(connection):
        loaded = {
            "load_id": load_id,
            "loaded_at": manifest.loaded_at,
            "business_date": manifest.business_date,
            "contracts": manifest.contracts,
        }
        _load_contracts(connection, manifest.contracts, contracts.values(), words)
        warehouse.insert(connection, "loads", [loaded])
        looks = [
            {"load_id": load_id, **_describe_look(look, contracts[look.organization_id])}
            for look in manifest.looks
        ]
        warehouse.insert(connection, "inbox_looks", looks)
        decided = [{"load_id": load_id, **asdict(each)} for each in manifest.decisions]
        warehouse.insert(connection, "intake_decisions", decided)
        with row_files.collecting(connection, home, load_id) as rows:
            copied = copy_files(connection, home, manifest.files, aliases, rows)
            written = rows.keep()
        files = [
            {"load_id": load_id, **_describe_file(home, file, each)}
            for file, each in zip(manifest.files, copied, strict=True)
        ]
        _require_all(files, written)
        warehouse.insert(connection, "intake_files", files)
        columns = [
            {"load_id": load_id, "file_id": file.file_id, **asdict(column)}
            for file, each in zip(manifest.files, copied, strict=True)
            for column in each.columns
        ]
        warehouse.insert(connection, "intake_file_columns", columns)
        row_files.add_listed(connection, written)
        _load_events(connection, home, manifest)
    return {
        table: _count_rows(connection, table, manifest.load_id)
        for table in (
            "intake_files",
            *ROW_TABLES.values(),
            "payment_events",
            "enrollment_events",
        )
    }


def event_positions(connection: Connection) -> dict[str, Position]:
    """Return how far each file of payment events has been loaded."""
    rows = connection.execute(
        """
        select source_file, to_byte, lines_before + line_count, prefix_sha256
        from raw.payment_event_ranges
        qualify row_number() over (partition by source_file order by load_id desc) = 1
        """
    ).fetchall()
    return {name: Position(*read) for name, *read in rows}


def next_instant(connection: Connection, now: datetime) -> datetime:
    """Return the time of a new load in UTC without zone: now, but after the previous load."""
    instant = naive_utc(now)
    later: datetime = read_value(
        connection,
        "select greatest(?::timestamp, max(loaded_at) + interval 1 microsecond) from raw.loads",
        [instant],
    )
    return later


def _load_contracts(
    connection: Connection,
    contracts: str,
    organizations: Iterable[Organization],
    words: EventWords,
) -> None:
    """Insert the contracts for reading events, unless a load with the same contracts did."""
    if connection.execute("from raw.loads where contracts = ?", [contracts]).fetchone():
        return
    tables = {
        "contract_organizations": [
            {
                "organization_id": each.organization_id,
                "country": each.country,
                "time_zone": each.time_zone.key,
                "customer_id_scheme": each.customer_id_scheme,
            }
            for each in organizations
        ],
        "contract_channels": [
            {"raw_channel": word, "label": label} for word, label in words.channels.items()
        ],
        "contract_statuses": [
            {"kind": kind, "raw_status": word, "status": status}
            for kind, statuses in (
                ("payment", words.payment_statuses),
                ("enrollment", words.enrollment_statuses),
            )
            for word, status in statuses.items()
        ],
    }
    for table, rows in tables.items():
        warehouse.insert(connection, table, [{"contracts": contracts, **row} for row in rows])


def _require_all(files: Sequence[Mapping[str, Any]], written: Sequence[RowFile]) -> None:
    """Check that the files of rows have the rows of all files."""
    counted: Counter[str] = Counter()
    for file in files:
        counted[ROW_TABLES[file["kind"]]] += file["record_count"]
    row_counts = {each.table_name: each.row_count for each in written}
    if row_counts != +counted:
        raise RuntimeError(f"{row_counts} rows written of {dict(counted)} records counted")


def _describe_look(look: Look, contract: Organization) -> dict[str, object]:
    """Return the row of raw.inbox_looks: an inbox check and the contract at that time."""
    return {
        "organization_id": look.organization_id,
        "outcome": look.outcome,
        "detail": look.detail,
        "files_seen": look.files_seen,
        "files_taken": look.files_taken,
        "payment_flow": contract.payment_flow,
        "time_zone": contract.time_zone.key,
        "delimiter": contract.delimiter,
        "decimal_separator": contract.decimal_separator,
        "date_format": contract.date_format,
    }


def _describe_file(home: Home, file: LandedFile, copied: Copied) -> dict[str, object]:
    """Return a file's row of raw.intake_files."""
    # A file that an erasure deleted has neither bytes nor a line end.
    is_text = copied.encoding is not None and bool(file.stored_sha256)
    return {
        "file_id": file.file_id,
        **{name: value for name, value in asdict(file).items() if name not in _OF_THE_BYTES},
        "encoding": copied.encoding,
        "record_count": copied.record_count,
        "file_code": copied.code,
        "file_message": copied.message,
        "ends_with_line_end": (
            _ends_with_line_end(store.stored_path(home, file)) if is_text else None
        ),
    }


def _ends_with_line_end(path: Path) -> bool | None:
    """Return whether a text's last record has its line end (R13), or None for an empty text."""
    with path.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        if not size:
            return None
        content.seek(size - 1)
        return content.read() in (b"\n", b"\r")


def _load_events(
    connection: Connection,
    home: Home,
    manifest: Manifest,
) -> None:
    if not manifest.events:
        return
    numbers = {
        kind: _last_event_number(connection, table)
        for kind, table in ((PAYMENT, "payment_events"), (ENROLLMENT, "enrollment_events"))
    }
    with (
        _inserted(connection, home, "payment_events") as add_payment_event,
        _inserted(connection, home, "enrollment_events") as add_enrollment_event,
        _inserted(connection, home, "payment_event_refusals") as add_refusal,
    ):
        for event_range in manifest.events:
            for line in _read_events(home, event_range):
                if isinstance(line, Event):
                    numbers[line.kind] += 1
                    add = add_payment_event if line.kind == PAYMENT else add_enrollment_event
                    add(
                        {
                            "load_id": manifest.load_id,
                            "event_number": numbers[line.kind],
                            "source_file": event_range.source_file,
                            "line_number": line.line_number,
                            **line.fields,
                        }
                    )
                else:
                    add_refusal(
                        {
                            "load_id": manifest.load_id,
                            "source_file": event_range.source_file,
                            **asdict(line),
                        }
                    )
    ranges = [
        {
            "load_id": manifest.load_id,
            "source_file": each.source_file,
            "from_byte": each.from_byte,
            "to_byte": each.to_byte,
            "lines_before": each.lines_before,
            "line_count": _count_lines(home, each),
            "prefix_sha256": each.prefix_sha256,
        }
        for each in manifest.events
        if each.code is None
    ]
    warehouse.insert(connection, "payment_event_ranges", ranges)


def _read_events(home: Home, event_range: EventRange) -> Iterator[Event | Refusal]:
    if event_range.code is not None:
        yield Refusal(event_range.lines_before, event_range.code, MESSAGES[event_range.code])
        return
    path = store.events_path(home, event_range.sha256)
    require_named(path, event_range.sha256)
    yield from event_lines.read_lines(path, event_range.lines_before)


def _count_lines(home: Home, event_range: EventRange) -> int:
    with store.events_path(home, event_range.sha256).open("rb") as content:
        return sum(1 for _ in content)


def _last_event_number(connection: Connection, table: str) -> int:
    sql = f"select coalesce(max(event_number), 0) from raw.{table}"  # noqa: S608 (a table of ours)
    return int(read_value(connection, sql))


def _inserted(
    connection: Connection, home: Home, table: str
) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
    """Collect rows, and insert them into a table of `raw` if the context succeeds."""

    def insert(source: str, names: Sequence[str]) -> None:
        connection.execute(
            f"insert into raw.{table} ({', '.join(names)}) select {', '.join(names)} from {source}"  # noqa: S608 (names of ours)
        )

    return json_lines(home, table, insert)


def _count_rows(connection: Connection, table: str, load_id: int) -> int:
    sql = f"select count(*) from raw.{table} where load_id = ?"  # noqa: S608 (a table of ours)
    return int(read_value(connection, sql, [load_id]))
