"""Outgoing files: those due for organizations' outboxes, with their bytes (R19, R22).

The models decide which files exist, which of them are due (the mart `deliveries`), and what they
contain (`exports`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import chain, groupby
from mmap import ACCESS_READ, mmap
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile

from orchestration.installation.databases import Connection, read_value
from orchestration.installation.home import Home
from orchestration.installation.whole_files import Content

FileKey = tuple[str, str, int]
DELIVERED = ("delivered", "already_there")
# The receiver has or may have the file: only `republish` sends it again.
LEFT_TO_PEOPLE = ("taken_unread", "unconfirmed")
NO_CONTRACT = "no_contract"
PAYMENTS_FILE = "payments_file"
PAYMENTS_MANIFEST = "payments_manifest"
_ROWS_AT_ONCE = 10_000
_MOST_IN_MEMORY = 1 << 24
# The folder for what memory does not hold.
_SCRATCH = "select current_setting('temp_directory')"
# The prefix that the macro make_harmless() adds to a text that a spreadsheet would run.
_HARMLESS = re.compile(r"^'(?=[=+\-@\t\n\r])")
_LINES = {
    PAYMENTS_FILE: "exp_payments_file",
    "intake_result": "exp_intake_results",
    "intake_summary": "exp_intake_summaries",
}


@dataclass(frozen=True)
class OutgoingFile:
    """A file for an organization.

    Args:
        organization_id: the organization.
        business_date: the date of the file.
        kind: its kind; payments files and their manifests never change (R23).
        file_name: its name in the outbox.
        load_id: the load that determined its content.
        content: its bytes; those of a large answer to an intake file are on the disk.

    """

    organization_id: str
    business_date: date
    kind: str
    file_name: str
    load_id: int
    content: Content

    @property
    def is_final(self) -> bool:
        """Whether the bytes under its name never change."""
        return self.kind in (PAYMENTS_FILE, PAYMENTS_MANIFEST)

    @property
    def key(self) -> FileKey:
        """The file's key in the ledger."""
        return self.organization_id, self.file_name, self.load_id

    @property
    def sha256(self) -> str:
        """The hash of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def as_older_versions_wrote_it(self, delimiter: str) -> OutgoingFile:
        """Return the payments file without the apostrophes that make formulas harmless (R22)."""
        former = io.StringIO(bytes(self.content).decode(), newline="")
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        rows = csv.reader(former, delimiter=delimiter)
        writer.writerows([_HARMLESS.sub("", cell) for cell in row] for row in rows)
        return replace(self, content=text.getvalue().encode())

    def path(self, home: Home) -> Path | None:
        """Return its local path; None for answers, whose names come from organizations (R13)."""
        return home.outbox / self.organization_id / self.file_name if self.is_final else None


def read_undelivered(connection: Connection) -> list[OutgoingFile]:
    """Read the files of finished loads that must be sent, each manifest after its file.

    These are the files that no attempt has delivered. A file that the receiver may have is not sent
    again (R24), unless a `republish` of it was interrupted. Without a contract a file is tried
    once: the ledger then says why it waits, until its organization has a contract again.
    """
    return _read(
        connection,
        """
        is_due
        and (
            is_undelivered
            or (organization_id, file_name, load_id) not in (
                select (organization_id, file_name, load_id)
                from raw.deliveries
                group by organization_id, file_name, load_id
                having arg_max(outcome, batch_id) = $no_contract
            )
        )
        """,
        {"no_contract": NO_CONTRACT},
    )


def read_publication(
    connection: Connection, organization_id: str, business_date: date
) -> list[OutgoingFile]:
    """Read what `republish` sends: a payments file and its manifest, as a finished load published
    them.

    An answer to an intake file of that date is included if the receiver may or may not have it.
    """
    return _read(
        connection,
        "is_published and organization_id = $organization_id and business_date = $business_date"
        f" and (kind in ('{PAYMENTS_FILE}', '{PAYMENTS_MANIFEST}') or is_left_to_people)",
        {"organization_id": organization_id, "business_date": business_date},
    )


def read_payments_files(connection: Connection, business_date: date) -> list[OutgoingFile]:
    """Read the payments files of a date with their manifests, as finished loads published them."""
    return _read(
        connection,
        "is_published and business_date = $business_date"
        f" and kind in ('{PAYMENTS_FILE}', '{PAYMENTS_MANIFEST}')",
        {"business_date": business_date},
    )


def _read(
    connection: Connection, condition: str, parameters: Mapping[str, object]
) -> list[OutgoingFile]:
    listed = connection.execute(
        f"""
        select organization_id, business_date, kind, file_name, load_id
        from main.deliveries
        where {condition}
        order by business_date, organization_id, delivery_order, file_name
        """,  # noqa: S608 (conditions of ours)
        dict(parameters),
    ).fetchall()
    wanted: dict[str, set[FileKey]] = {PAYMENTS_FILE: set()}
    described: set[FileKey] = set()
    for organization_id, _, kind, name, load_id in listed:
        if kind == PAYMENTS_MANIFEST:
            described.add((organization_id, name.replace(".json", ".csv"), load_id))
        else:
            wanted.setdefault(kind, set()).add((organization_id, name, load_id))
    wanted[PAYMENTS_FILE] |= described
    contents: dict[FileKey, Content] = {}
    for kind, keys in wanted.items():
        contents.update(_read_contents(connection, kind, keys))
    of_manifests = {load_id for _, _, load_id in described}
    for key, totals in _read_totals(connection, of_manifests).items():
        organization_id, business_date, name, load_id = key
        if (content := contents.get((organization_id, name, load_id))) is not None:
            manifest = _write_manifest(organization_id, business_date, name, content, totals)
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


def _read_contents(
    connection: Connection, kind: str, wanted: Collection[FileKey]
) -> Iterator[tuple[FileKey, Content]]:
    """Read the bytes of files of a kind, line by line.

    An organization decides how many rows of its files are refused: an answer may be larger than
    what the database, or this process, may keep in memory.
    """
    result = connection.execute(
        f"""
        select organization_id, file_name, load_id, line
        from exports.{_LINES[kind]}
        where list_contains($organization_ids, organization_id)
            and list_contains($load_ids, load_id)
        order by organization_id, file_name, load_id, line_number
        """,  # noqa: S608 (a model of ours)
        {
            "organization_ids": sorted({organization_id for organization_id, _, _ in wanted}),
            "load_ids": sorted({load_id for _, _, load_id in wanted}),
        },
    )
    rows = chain.from_iterable(iter(lambda: result.fetchmany(_ROWS_AT_ONCE), []))
    folder = None
    for key, lines in groupby(rows, key=itemgetter(0, 1, 2)):
        if key not in wanted:
            continue
        folder = folder or read_value(connection.cursor(), _SCRATCH)
        with TemporaryFile(dir=folder) as target:
            target.writelines(f"{line}\n".encode() for *_, line in lines)
            if kind == PAYMENTS_FILE or target.tell() <= _MOST_IN_MEMORY:
                target.seek(0)
                yield key, target.read()
            else:
                target.flush()
                yield key, mmap(target.fileno(), 0, access=ACCESS_READ)


def _read_totals(
    connection: Connection, load_ids: Iterable[int]
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
    amount: str
    first_event_at: datetime
    last_event_at: datetime


def _write_manifest(
    organization_id: str,
    business_date: date,
    file_name: str,
    content: Content,
    totals: Sequence[_Total],
) -> bytes:
    """Return the manifest of a payments file, with which an organization checks it, as JSON; times
    are UTC.
    """
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
                "amount": each.amount,
            }
            for each in totals
        ],
        "first_event_at": first and f"{first.isoformat()}Z",
        "last_event_at": last and f"{last.isoformat()}Z",
    }
    return (json.dumps(values, indent=2) + "\n").encode()
