"""Delivery: what was decided for an organization goes to its outbox (R19, R24).

The models say which files there are (exp_outgoing_files) and what is in them. A payments file and
its manifest keep their bytes for ever; the answer to an intake file is replaced when that file's
name comes again or an operator decides. The ledger raw.deliveries knows every attempt. What has
no success in it is tried again by every run: after a crash between upload and ledger the server
is found to have the same bytes, which is a success.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from orchestration import landing, ledger, warehouse
from orchestration.clock import Clock, utc_now
from orchestration.contracts import Organization
from orchestration.home import Home
from orchestration.ledger import Attempt
from orchestration.sftp import MAY_HEAL, SftpError, connect

OUTBOXES_AT_ONCE = 16
DELIVERED = ("delivered", "already_there")
PAYMENTS_FILE = "payments_file"
PAYMENTS_MANIFEST = "payments_manifest"
# What came of each file: a success, whatever a later `republish` met, else its last attempt.
OUTCOMES = """
select organization_id, business_date, kind, file_name, outcome, detail
from raw.deliveries
qualify
    row_number() over (
        partition by organization_id, file_name
        order by load_id desc, list_contains($delivered, outcome) desc, attempted_at desc
    ) = 1
"""
_LINES = {
    PAYMENTS_FILE: "exp_payments_file",
    "intake_result": "exp_intake_results",
    "intake_summary": "exp_intake_summaries",
}


@dataclass(frozen=True)
class OutgoingFile:
    """A file for an organization.

    Args:
        organization_id: whose.
        business_date: of which date.
        kind: what it is; payments files and their manifests never change (R23).
        file_name: its name in the outbox.
        load_id: the load that settled what is in it.
        content: its bytes.

    """

    organization_id: str
    business_date: date
    kind: str
    file_name: str
    load_id: int
    content: bytes

    @property
    def is_final(self) -> bool:
        """Whether its name never gets other bytes."""
        return self.kind in (PAYMENTS_FILE, PAYMENTS_MANIFEST)

    @property
    def sha256(self) -> str:
        """The hash of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def path(self, home: Home) -> Path | None:
        """Where it is kept on this machine; None for answers, whose names are not ours (R13)."""
        return home.outbox / self.organization_id / self.file_name if self.is_final else None


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a file; `outcome` is a success or the code of a failure."""

    file: OutgoingFile
    outcome: str
    detail: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the organization's outbox holds these bytes."""
        return self.outcome in DELIVERED

    @property
    def may_heal(self) -> bool:
        """Whether another attempt may go better by itself."""
        return self.outcome in MAY_HEAL


def read_undelivered(connection: duckdb.DuckDBPyConnection) -> list[OutgoingFile]:
    """The files of finished loads that no attempt has delivered, each manifest after its file."""
    return _read(
        connection,
        """
        not exists (
            select 1
            from raw.deliveries
            where
                deliveries.organization_id = files.organization_id
                and deliveries.file_name = files.file_name
                and deliveries.load_id = files.load_id
                and list_contains($delivered, deliveries.outcome)
        )
        """,
        {"delivered": list(DELIVERED)},
    )


def read_publication(
    connection: duckdb.DuckDBPyConnection, organization_id: str, business_date: date
) -> list[OutgoingFile]:
    """A payments file and its manifest, as a finished load published them; empty if none did."""
    return _read(
        connection,
        f"""
        kind in ('{PAYMENTS_FILE}', '{PAYMENTS_MANIFEST}')
        and organization_id = $organization_id
        and business_date = $business_date
        """,
        {"organization_id": organization_id, "business_date": business_date},
    )


def find_changed(
    connection: duckdb.DuckDBPyConnection, files: Sequence[OutgoingFile]
) -> list[OutgoingFile]:
    """The files of which other bytes have been delivered than they would have now (R23).

    Those that were sent exist no more once a person in them has been erased.
    """
    sent = set(
        connection.execute(
            "select organization_id, file_name, load_id, sha256 from raw.deliveries"
            " where list_contains(?, outcome)",
            [list(DELIVERED)],
        ).fetchall()
    )
    names = {key[:3] for key in sent}
    return [
        file
        for file in files
        for key in ((file.organization_id, file.file_name, file.load_id),)
        if key in names and (*key, file.sha256) not in sent
    ]


def renew_copies(
    connection: duckdb.DuckDBPyConnection, home: Home, organization_id: str, dates: Iterable[date]
) -> None:
    """Write the local copies of publications again, which hold a person who has been erased."""
    for business_date in dates:
        for file in read_publication(connection, organization_id, business_date):
            path = file.path(home)
            if path is not None and path.exists() and path.read_bytes() != file.content:
                landing.write_whole(path, file.content)


def deliver(
    home: Home,
    files: Sequence[OutgoingFile],
    organizations: Sequence[Organization],
    environment: Mapping[str, str],
) -> list[Delivery]:
    """Write payments files to the local outbox and upload all, several organizations at once.

    One organization's failure is its own: the attempt says so, the others go on (R20).
    """
    contracts = {each.organization_id: each for each in organizations}
    by_organization: dict[str, list[OutgoingFile]] = {}
    for file in files:
        by_organization.setdefault(file.organization_id, []).append(file)

    def deliver_all(organization_id: str) -> list[Delivery]:
        contract = contracts.get(organization_id)
        return _deliver_to(home, contract, by_organization[organization_id], environment)

    with ThreadPoolExecutor(OUTBOXES_AT_ONCE, thread_name_prefix="outbox") as pool:
        return [each for some in pool.map(deliver_all, by_organization) for each in some]


def record(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    deliveries: Sequence[Delivery],
    clock: Clock = utc_now,
) -> None:
    """Write attempts into the ledger: first beside the manifests, then into the warehouse.

    A replay finds them there; without them it would send again what an organization has booked.
    """
    if not deliveries:
        return
    attempted_at = clock().astimezone(UTC).replace(tzinfo=None)
    ledger.write_attempts(
        home,
        [
            Attempt(
                organization_id=each.file.organization_id,
                business_date=each.file.business_date,
                kind=each.file.kind,
                file_name=each.file.file_name,
                load_id=each.file.load_id,
                sha256=each.file.sha256,
                byte_count=len(each.file.content),
                attempted_at=attempted_at,
                outcome=each.outcome,
                detail=each.detail,
            )
            for each in deliveries
        ],
    )
    restore_ledger(connection, home)


def restore_ledger(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Bring the attempts that the warehouse does not know into raw.deliveries."""
    row = connection.execute("select coalesce(max(batch_id), 0) from raw.deliveries").fetchone()
    for batch_id, attempts in ledger.read_attempts(home, after=row[0] if row else 0):
        rows = [{"batch_id": batch_id, **asdict(attempt)} for attempt in attempts]
        warehouse.insert(connection, "deliveries", rows)


def _read(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Mapping[str, object]
) -> list[OutgoingFile]:
    listed = connection.execute(
        f"""
        select organization_id, business_date, kind, file_name, load_id
        from exports.exp_outgoing_files as files
        where
            load_id in (select load_id from raw.loads where finished_at is not null)
            and {condition}
        order by business_date, organization_id, delivery_order, file_name
        """,  # noqa: S608 (conditions of ours)
        dict(parameters),
    ).fetchall()
    load_ids: dict[str, set[int]] = {}
    for _, _, kind, _, load_id in listed:
        load_ids.setdefault(kind, set()).add(load_id)
    of_manifests = load_ids.pop(PAYMENTS_MANIFEST, set())
    load_ids[PAYMENTS_FILE] = load_ids.get(PAYMENTS_FILE, set()) | of_manifests
    contents = {
        (organization_id, name, load_id): content.encode()
        for kind, ids in load_ids.items()
        for organization_id, name, load_id, content in _read_lines(connection, _LINES[kind], ids)
    }
    for key, totals in _read_totals(connection, of_manifests).items():
        organization_id, business_date, name, load_id = key
        described = contents[organization_id, name, load_id]
        manifest = _write_manifest(organization_id, business_date, name, described, totals)
        contents[organization_id, name.replace(".csv", ".json"), load_id] = manifest
    return [
        OutgoingFile(
            organization_id,
            business_date,
            kind,
            name,
            load_id,
            contents[organization_id, name, load_id],
        )
        for organization_id, business_date, kind, name, load_id in listed
    ]


def _read_lines(
    connection: duckdb.DuckDBPyConnection, model: str, load_ids: Iterable[int]
) -> list[tuple[str, str, int, str]]:
    return connection.execute(
        f"""
        select
            organization_id,
            file_name,
            load_id,
            string_agg(line, chr(10) order by line_number) || chr(10)
        from exports.{model}
        where list_contains($load_ids, load_id)
        group by all
        """,  # noqa: S608 (a model of ours)
        {"load_ids": sorted(load_ids)},
    ).fetchall()


def _read_totals(
    connection: duckdb.DuckDBPyConnection, load_ids: Iterable[int]
) -> dict[tuple[str, date, str, int], list[_Total]]:
    totals: dict[tuple[str, date, str, int], list[_Total]] = {}
    rows = connection.execute(
        """
        select
            organization_id, business_date, file_name, load_id, status, currency, line_count,
            total_amount, first_event_at, last_event_at
        from exports.exp_payments_totals
        where list_contains($load_ids, load_id)
        order by organization_id, load_id, status, currency
        """,
        {"load_ids": sorted(load_ids)},
    ).fetchall()
    for *key, status, currency, count, amount, first, last in rows:
        known = totals.setdefault((key[0], key[1], key[2], key[3]), [])
        if status is not None:
            known.append(_Total(status, currency, count, amount, first, last))
    return totals


@dataclass(frozen=True)
class _Total:
    status: str
    currency: str
    line_count: int
    amount: Decimal
    first_event_at: datetime
    last_event_at: datetime


def _write_manifest(
    organization_id: str,
    business_date: date,
    file_name: str,
    content: bytes,
    totals: Sequence[_Total],
) -> bytes:
    """What an organization checks a payments file against, as JSON; times are UTC."""
    first = min((each.first_event_at for each in totals), default=None)
    last = max((each.last_event_at for each in totals), default=None)
    values = {
        "organization_id": organization_id,
        "business_date": business_date.isoformat(),
        "file_name": file_name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "byte_count": len(content),
        "row_count": sum(each.line_count for each in totals),
        "totals": [
            {
                "status": each.status,
                "currency": each.currency,
                "row_count": each.line_count,
                "amount": str(each.amount),
            }
            for each in totals
        ],
        "first_event_at": first and f"{first.isoformat()}Z",
        "last_event_at": last and f"{last.isoformat()}Z",
    }
    return (json.dumps(values, indent=2) + "\n").encode()


def _deliver_to(
    home: Home,
    organization: Organization | None,
    files: Sequence[OutgoingFile],
    environment: Mapping[str, str],
) -> list[Delivery]:
    deliveries: dict[OutgoingFile, Delivery] = {}
    dates_without_file: set[date] = set()

    def note(file: OutgoingFile, outcome: str, detail: str | None = None) -> None:
        deliveries[file] = Delivery(file, outcome, detail)
        if file.kind == PAYMENTS_FILE and not deliveries[file].is_delivered:
            dates_without_file.add(file.business_date)

    for file in files:
        if not _keep(home, file):
            note(file, "name_taken", "the local outbox holds other bytes under this name")
    if organization is None:
        return [Delivery(file, "no_contract") for file in files]
    try:
        with connect(organization, environment) as client:
            for file in files:
                if file in deliveries:
                    continue
                if file.kind == PAYMENTS_MANIFEST and file.business_date in dates_without_file:
                    note(file, "file_not_delivered", "its payments file is not in the outbox")
                    continue
                try:
                    outcome = client.upload(
                        organization.outbox_dir,
                        file.file_name,
                        file.content,
                        may_replace=not file.is_final,
                    )
                    note(file, outcome)
                except SftpError as error:
                    if error.code == "timed_out" or not client.is_connected:
                        raise
                    note(file, error.code, str(error))
    except Exception as error:
        code, detail = (
            (error.code, str(error))
            if isinstance(error, SftpError)
            else ("failed", type(error).__name__)
        )
        for file in files:
            if file not in deliveries:
                note(file, code, detail)
    return list(deliveries.values())


def _keep(home: Home, file: OutgoingFile) -> bool:
    """Write the local copy, if the file has one; whether that copy has the file's bytes."""
    path = file.path(home)
    if path is None:
        return True
    if not path.exists():
        landing.write_whole(path, file.content)
        return True
    return path.read_bytes() == file.content
