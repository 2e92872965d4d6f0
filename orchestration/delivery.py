"""Delivery: the payments files that were published go to each organization's outbox (R24).

The bytes are those of the model exp_payments_file. The ledger raw.deliveries knows every attempt.
A publication without a success in the ledger is tried again by every run: after a crash between
upload and ledger the server is found to have the same bytes, which is a success.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

import duckdb

from orchestration import landing
from orchestration.contracts import Organization
from orchestration.home import Home
from orchestration.intake import Clock, utc_now
from orchestration.sftp import MAY_HEAL, NameTakenError, SftpError, connect

OUTBOXES_AT_ONCE = 16
DELIVERED = ("delivered", "already_there")


@dataclass(frozen=True)
class PaymentsFile:
    """A published payments file; its bytes never change (R23)."""

    organization_id: str
    business_date: date
    file_name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hash of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def line_count(self) -> int:
        """How many payments it tells of."""
        return self.content.count(b"\n") - 1


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a payments file; `outcome` is a success or the code of a failure."""

    file: PaymentsFile
    path: Path
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


def read_undelivered(connection: duckdb.DuckDBPyConnection) -> list[PaymentsFile]:
    """The published files that no attempt has delivered, oldest first."""
    rows = connection.execute(
        """
        select
            lines.organization_id,
            lines.business_date,
            lines.file_name,
            string_agg(lines.line, chr(10) order by lines.line_number) || chr(10)
        from exports.exp_payments_file as lines
        where not exists (
            select 1
            from raw.deliveries
            where
                deliveries.organization_id = lines.organization_id
                and deliveries.business_date = lines.business_date
                and list_contains(?, deliveries.outcome)
        )
        group by all
        order by lines.business_date, lines.organization_id
        """,
        [list(DELIVERED)],
    ).fetchall()
    return [
        PaymentsFile(organization_id, business_date, file_name, content.encode())
        for organization_id, business_date, file_name, content in rows
    ]


def deliver(
    home: Home,
    files: Sequence[PaymentsFile],
    organizations: Sequence[Organization],
    environment: Mapping[str, str],
) -> list[Delivery]:
    """Write the files to the local outbox and upload them, several organizations at once.

    One organization's failure is its own: the attempt says so, the others go on (R20).
    """
    contracts = {each.organization_id: each for each in organizations}
    by_organization: dict[str, list[PaymentsFile]] = {}
    for file in files:
        by_organization.setdefault(file.organization_id, []).append(file)

    def deliver_all(organization_id: str) -> list[Delivery]:
        contract = contracts.get(organization_id)
        mine = by_organization[organization_id]
        return _deliver_to(home, contract, mine, environment)

    with ThreadPoolExecutor(OUTBOXES_AT_ONCE, thread_name_prefix="outbox") as pool:
        return [each for some in pool.map(deliver_all, by_organization) for each in some]


def record(
    connection: duckdb.DuckDBPyConnection, deliveries: Sequence[Delivery], clock: Clock = utc_now
) -> None:
    """Write attempts into the ledger."""
    attempted_at = clock().astimezone(UTC).replace(tzinfo=None)
    for delivery in deliveries:
        connection.execute(
            "insert into raw.deliveries values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                delivery.file.organization_id,
                delivery.file.business_date,
                delivery.file.file_name,
                delivery.file.sha256,
                len(delivery.file.content),
                attempted_at,
                delivery.outcome,
                delivery.detail,
            ],
        )


def _deliver_to(
    home: Home,
    organization: Organization | None,
    files: Sequence[PaymentsFile],
    environment: Mapping[str, str],
) -> list[Delivery]:
    paths = {file: home.outbox / file.organization_id / file.file_name for file in files}
    deliveries: dict[PaymentsFile, Delivery] = {}

    def note(file: PaymentsFile, outcome: str, detail: str | None = None) -> None:
        deliveries[file] = Delivery(file, paths[file], outcome, detail)

    for file, path in paths.items():
        if not path.exists():
            landing.write_whole(path, file.content)
        elif path.read_bytes() != file.content:
            note(file, "name_taken", "the local outbox holds other bytes under this name")
    if organization is None:
        return [Delivery(file, path, "no_contract") for file, path in paths.items()]
    try:
        with connect(organization, environment) as client:
            for file in files:
                if file in deliveries:
                    continue
                try:
                    folder = organization.outbox_dir
                    note(file, client.upload(folder, file.file_name, paths[file]))
                except NameTakenError as error:
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
