"""Random histories of many organizations as one landing area: real files, manifests, contracts."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

from orchestration.contracts.organizations import read_organizations
from orchestration.installation.home import PROJECT, Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import EventRange, LandedFile, Manifest
from tests.orchestration.histories import (
    EXTERNAL_IDS,
    RUTS,
    Decision,
    History,
    IntakeFile,
    Load,
    business_date,
    csv_bytes,
    json_line,
)
from tests.orchestration.houses import xlsx_of
from tests.orchestration.oracle import FileReference, loaded_at

_STATUSES = ("active", "pending", "cancelled", "asleep")
_MAILS = ("ana@example.com", "", "not an address", "eva@example.com")


def business_date_of(number: int) -> date:
    """Give the business date of a load: each third is a second load of the date before it."""
    return business_date(number - 1 if number % 3 == 0 else number)


def instant_of(number: int) -> datetime:
    """The instant of a load, UTC without a zone, as manifests have it."""
    return loaded_at(number).replace(tzinfo=None)


def align(histories: Sequence[History]) -> list[History]:
    """Bring all histories onto the same loads; decisions come in loads of their own, as in life."""
    load_count = max(len(history.loads) for history in histories)
    slots: list[tuple[int, bool]] = []
    for index in range(load_count):
        if any(_load(history, index).decisions for history in histories):
            slots.append((index, True))
        slots.append((index, False))
    numbers = {index + 1: slots.index((index, False)) + 1 for index in range(load_count)}
    return [
        History(
            history.contract,
            tuple(
                _slot(_load(history, index), is_decision, numbers) for index, is_decision in slots
            ),
        )
        for history in histories
    ]


def part(histories: Sequence[History], orders: Sequence[str]) -> list[History]:
    """Have each load of aligned histories come in several, by what it brings.

    Args:
        histories: of all organizations, on the same loads.
        orders: of each load in turn a letter for each load that it comes in: `f`iles and decisions,
            `e`vents, or `-` for neither.

    """
    slots = [
        (index, letter)
        for index in range(len(histories[0].loads))
        for letter in orders[index % len(orders)]
    ]
    numbers = {index + 1: slots.index((index, "f")) + 1 for index, letter in slots if letter == "f"}

    def of(load: Load, letter: str) -> Load:
        if letter == "f":
            return replace(load, events=(), decisions=_renumbered(load, numbers))
        return Load(events=load.events) if letter == "e" else Load()

    return [
        History(
            history.contract,
            tuple(of(history.loads[index], letter) for index, letter in slots),
        )
        for history in histories
    ]


def _load(history: History, index: int) -> Load:
    return history.loads[index] if index < len(history.loads) else Load()


def _slot(load: Load, is_decision: bool, numbers: dict[int, int]) -> Load:
    if not is_decision:
        return replace(load, decisions=())
    return Load(decisions=_renumbered(load, numbers))


def _renumbered(load: Load, numbers: dict[int, int]) -> tuple[Decision, ...]:
    """The decisions of a load, on files of loads that have other numbers now."""
    return tuple(
        replace(each, file=FileReference(numbers[each.file.load_number], each.file.name))
        for each in load.decisions
    )


def write_seeds(folder: Path, histories: Sequence[History]) -> None:
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
        for history in histories:
            contract = history.contract
            writer.writerow(
                {
                    "organization_id": contract.organization_id,
                    "name": contract.organization_id,
                    "country": "CL",
                    "customer_id_scheme": contract.customer_id_scheme,
                    "update_mode": contract.update_mode,
                    "payment_flow": contract.payment_flow,
                    "currency": contract.currency,
                    "sftp_host": "127.0.0.1",
                    "sftp_username": "nobody",
                    "max_withdrawal_share": str(contract.max_withdrawal_share),
                    "max_rejected_share": str(contract.max_rejected_share),
                }
            )


def land(
    home: Home,
    number: int,
    histories: Sequence[History],
    more_files: Sequence[LandedFile] = (),
    more_lines: str = "",
) -> None:
    """Write one load of every history to the landing area, as a run would have done.

    Args:
        home: the installation.
        number: of the load.
        histories: of all organizations, on the same loads.
        more_files: files of the load that histories do not have; they have landed.
        more_lines: lines of events that histories do not have.

    """
    files = [
        *(
            _land_file(home, number, history, file)
            for history in histories
            for file in history.loads[number - 1].files
        ),
        *more_files,
    ]
    told = "".join(
        f"{json_line(history.contract.organization_id, event)}\n"
        for history in histories
        for event in history.loads[number - 1].events
    )
    lines = f"{told}{more_lines}".encode()
    name = f"load_{number:02d}.jsonl"
    (home.events / name).write_bytes(lines)
    kept = store.keep_anew(home, manifests.EVENTS, lambda target: target.write(lines))
    manifests.write_manifest(
        home,
        Manifest(
            load_id=number,
            loaded_at=instant_of(number),
            business_date=business_date_of(number),
            contracts=store.keep_contracts(home),
            looks=tuple(
                manifests.Look(history.contract.organization_id, "looked") for history in histories
            ),
            files=tuple(files),
            decisions=tuple(
                manifests.Decision(
                    file_id=_file_id(history, decision.file),
                    decision=decision.decision,
                    decided_at=instant_of(number),
                )
                for history in histories
                for decision in history.loads[number - 1].decisions
            ),
            events=(
                (EventRange(name, 0, len(lines), 0, kept, prefix_sha256=kept),) if lines else ()
            ),
        ),
    )


def land_workbooks(home: Home, number: int, choices: random.Random) -> Iterator[LandedFile]:
    """A workbook of some organizations, with some of their customers."""
    for organization in read_organizations(home.seeds):
        if choices.random() < 0.5:
            continue
        ids = RUTS if organization.customer_id_scheme == "rut" else EXTERNAL_IDS
        rows = [
            (customer_id, choices.choice(("Ana", "Eva", "")), choices.choice(_MAILS))
            for customer_id in ids
            if choices.random() < 0.7
        ]
        content = xlsx_of([("customer_id", "name", "mail"), *rows])
        day = business_date_of(number)
        landed = LandedFile.of(
            organization,
            kind=manifests.CUSTOMERS,
            file_name=f"{day}_{number}_toku_customers.xlsx",
            business_date=day,
            sha256=sha256(content).hexdigest(),
            byte_count=len(content),
            modified_at=instant_of(number),
            received_at=instant_of(number),
        )
        path = store.file_path(home, landed.organization_id, landed.sha256)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        yield landed


def draw_enrollments(home: Home, number: int, choices: random.Random) -> Iterator[str]:
    """Lines of events: a payment method of some customers, in some state."""
    for organization in read_organizations(home.seeds):
        ids = RUTS if organization.customer_id_scheme == "rut" else EXTERNAL_IDS
        for method, customer_id in enumerate(ids):
            if choices.random() < 0.6:
                continue
            event = {
                "kind": "enrollment",
                "event_id": f"enrolled-{method}-{number}",
                "occurred_at": f"{business_date_of(number)}T10:00:00-03:00",
                "organization_id": organization.organization_id,
                "payment_method_id": f"method-{method}",
                "customer_id": customer_id,
                "products": ["LUZ-1"],
                "type": "pac",
                "status": choices.choice(_STATUSES),
            }
            yield f"{json.dumps(event)}\n"


def _land_file(home: Home, number: int, history: History, file: IntakeFile) -> LandedFile:
    landed = _as_landed(number, history, file)
    path = store.file_path(home, landed.organization_id, landed.sha256)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(csv_bytes(file))
    return landed


def _file_id(history: History, reference: FileReference) -> str:
    load = history.loads[reference.load_number - 1]
    file = next(each for each in load.files if each.name == reference.name)
    return _as_landed(reference.load_number, history, file).file_id


def _as_landed(number: int, history: History, file: IntakeFile) -> LandedFile:
    content = csv_bytes(file)
    contract = history.contract
    return LandedFile(
        organization_id=contract.organization_id,
        kind=file.kind,
        file_name=file.name,
        business_date=file.business_date,
        sha256=sha256(content).hexdigest(),
        byte_count=len(content),
        modified_at=instant_of(number),
        received_at=instant_of(number),
        update_mode=contract.update_mode,
        customer_id_scheme=contract.customer_id_scheme,
        currency=contract.currency,
        delimiter=",",
        date_format="YYYY-MM-DD",
        decimal_separator=".",
        max_withdrawal_share=str(contract.max_withdrawal_share),
        max_rejected_share=str(contract.max_rejected_share),
    )
