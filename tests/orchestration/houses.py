"""A warehouse that a test feeds load by load, without a server: real files, real manifests, the
real models.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import openpyxl

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import loads
from orchestration.landing import manifests, store
from orchestration.landing.manifests import EventRange, LandedFile, Look, Manifest
from tests.orchestration.building import build_load
from tests.orchestration.comparing import Rows, query, query_all
from tests.orchestration.starting import lend_parse

FIRST_DAY = date(2026, 3, 1)
_WITHOUT_TESTS = ("--exclude-resource-type", "test")


@dataclass(frozen=True)
class Deposit:
    """A file of an organization.

    Args:
        organization_id: whose.
        content: its bytes.
        kind: `invoices`, `payments` or `customers`.
        business_date: the date in its name, if not that of its load.

    """

    organization_id: str
    content: bytes
    kind: str = "invoices"
    business_date: date | None = None


def csv_of(rows: Sequence[Sequence[str]], delimiter: str = ",") -> bytes:
    """Write rows, the header first, as a file of UTF-8."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def xlsx_of(rows: Sequence[Sequence[object]], formats: Mapping[str, str] | None = None) -> bytes:
    """Write rows, the header first, as a workbook.

    Args:
        rows: of the sheet.
        formats: the number format of a cell by its place, such as `A2`.

    """
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    for cell in (cell for row in workbook.active.iter_rows() for cell in row):
        if isinstance(cell.value, str):
            cell.data_type = "s"  # to the library, `="1"` is a formula
    for place, number_format in (formats or {}).items():
        workbook.active[place].number_format = number_format
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def zip_of(name: str, content: bytes) -> bytes:
    """A file in a .zip, packed."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def as_strict(workbook: bytes) -> bytes:
    """A workbook as Excel saves it as "Strict Open XML"."""
    names = {
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": (
            b"http://purl.oclc.org/ooxml/spreadsheetml/main"
        ),
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
            b"http://purl.oclc.org/ooxml/officeDocument/relationships"
        ),
    }
    content = BytesIO()
    with zipfile.ZipFile(BytesIO(workbook)) as usual, zipfile.ZipFile(content, "w") as strict:
        for part in usual.infolist():
            text = usual.read(part)
            for former, latter in names.items():
                text = text.replace(former, latter)
            strict.writestr(part.filename, text)
    return content.getvalue()


@dataclass
class House:
    """An installation whose loads are made by hand.

    Args:
        home: where it keeps everything.
        number: of the loads so far.

    """

    home: Home
    number: int = 0
    organizations: Mapping[str, Organization] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, contracts: Mapping[str, Mapping[str, str]]) -> House:
        """Make an installation whose organizations have no warehouse row yet.

        Args:
            root: a folder for everything.
            contracts: cells of organizations.csv by organization; the others are those of a small
                organization in `replace` mode of which any share of rows may be refused, and any
                share of debts withdrawn.

        """
        home = Home(root / "home", root / "seeds")
        _write_seeds(home.seeds, contracts)
        home.create()
        organizations = {each.organization_id: each for each in read_organizations(home.seeds)}
        return cls(home, organizations=organizations)

    @property
    def loaded_at(self) -> datetime:
        """The instant of the newest load."""
        return datetime(2026, 3, 1, 8) + timedelta(days=self.number - 1)

    def load(
        self,
        *deposits: Deposit,
        events: Sequence[Mapping[str, object]] = (),
        options: Sequence[str] = (),
    ) -> None:
        """Land files and lines of events, and carry them through the models; options are dbt's."""
        self.land(*deposits, events=events)
        self.carry(self.number, *options)

    def land(self, *deposits: Deposit, events: Sequence[Mapping[str, object]] = ()) -> None:
        """Land files and lines of events."""
        if not self.number:
            lend_parse(self.home)
        self.number += 1
        day = FIRST_DAY + timedelta(days=self.number - 1)
        files = [self._land(deposit, deposit.business_date or day) for deposit in deposits]
        lines = "".join(f"{json.dumps(event)}\n" for event in events).encode()
        name = f"load_{self.number:02d}.jsonl"
        (self.home.events / name).write_bytes(lines)
        kept = store.keep_anew(self.home, manifests.EVENTS, lambda target: target.write(lines))
        manifest = Manifest(
            load_id=self.number,
            loaded_at=self.loaded_at,
            business_date=day,
            contracts=store.keep_contracts(self.home),
            looks=tuple(Look(each, "looked") for each in self.organizations),
            files=tuple(files),
            events=(EventRange(name, 0, len(lines), 0, kept),) if lines else (),
        )
        manifests.write_manifest(self.home, manifest)

    def carry(self, load_id: int, *options: str) -> None:
        """Carry the oldest landed load that the warehouse does not have through the models."""
        with warehouse.connect(self.home) as connection:
            loads.carry_landed(connection, self.home)
        build_load(self.home, load_id, *_WITHOUT_TESTS, *options)

    def change_contract(self, organization_id: str, **cells: str) -> None:
        """Give an organization other cells of organizations.csv, from the next load on."""
        path = self.home.seeds / "organizations.csv"
        with path.open(encoding="utf-8", newline="") as source:
            rows = list(csv.DictReader(source))
        with path.open("w", encoding="utf-8", newline="") as target:
            writer = csv.DictWriter(target, rows[0], lineterminator="\n")
            writer.writeheader()
            for row in rows:
                is_changed = row["organization_id"] == organization_id
                writer.writerow({**row, **cells} if is_changed else row)
        self.organizations = {
            each.organization_id: each for each in read_organizations(self.home.seeds)
        }

    def query(self, sql: str) -> Rows:
        """Ask the writer's warehouse."""
        return query(self.home, sql)

    def tables(self, names: Collection[str]) -> dict[str, Rows]:
        """Every row of these tables of it."""
        queries = [f"from {name.replace('marts.', 'marts.main.')} order by all" for name in names]
        return dict(zip(names, query_all(self.home, queries), strict=True))

    def refused_rows(self) -> Rows:
        """Organization, kind of file, line and code of each refused row of the newest load."""
        return self.query(
            f"""
            select files.organization_id, files.kind, line_number, rejections.code
            from intake_rejections as rejections
            inner join intake_files as files using (file_id)
            where files.load_id = {self.number}
            order by all
            """
        )

    def _land(self, deposit: Deposit, day: date) -> LandedFile:
        suffix = "xlsx" if deposit.kind == manifests.CUSTOMERS else "csv"
        landed = LandedFile.of(
            self.organizations[deposit.organization_id],
            kind=deposit.kind,
            file_name=f"{day}_toku_{deposit.kind}.{suffix}",
            business_date=day,
            sha256=sha256(deposit.content).hexdigest(),
            byte_count=len(deposit.content),
            modified_at=self.loaded_at,
            received_at=self.loaded_at,
        )
        path = store.file_path(self.home, landed.organization_id, landed.sha256)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(deposit.content)
        return landed


def event_of(organization_id: str, number: int, **fields: object) -> dict[str, object]:
    """A payment event, authorized unless said otherwise, of a payment of its own."""
    return {
        "event_id": f"event-{number}",
        "occurred_at": f"2026-03-01T10:00:{number % 60:02d}-03:00",
        "organization_id": organization_id,
        "payment_id": f"pay-{number}",
        "amount": 1000,
        "currency": "CLP",
        "channel": "webpay",
        "status": "authorized",
        **fields,
    }


def _write_seeds(folder: Path, contracts: Mapping[str, Mapping[str, str]]) -> None:
    shutil.copytree(PROJECT / "seeds", folder)
    aliases = folder / "column_aliases.csv"
    lines = aliases.read_text(encoding="utf-8").splitlines(keepends=True)
    # Without those of the sample organizations, which have no contract here.
    aliases.write_text("".join([lines[0], *(each for each in lines if each[0] == ",")]), "utf-8")
    path = folder / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        columns = list(csv.DictReader(source).fieldnames or [])
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for number, (organization_id, contract) in enumerate(contracts.items()):
            writer.writerow(
                {
                    "organization_id": organization_id,
                    "name": organization_id,
                    "country": "CL",
                    "customer_id_scheme": "external_id",
                    "update_mode": "replace",
                    "payment_flow": "in_process",
                    "sftp_host": "127.0.0.1",
                    "sftp_username": f"nobody_{number}",
                    "inbox_dir": f"{organization_id}/inbox",
                    "outbox_dir": f"{organization_id}/outbox",
                    "max_withdrawal_share": "1",
                    "max_rejected_share": "1",
                    **contract,
                }
            )
