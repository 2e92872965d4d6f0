"""A landing area with three loads in it, made without servers or models."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta

from orchestration.contracts.organizations import read_organizations
from orchestration.delivery import ledger
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import loads
from orchestration.landing import event_files, manifests, store
from orchestration.landing.manifests import LandedFile, Look, Manifest

LUMINA = next(
    each for each in read_organizations(PROJECT / "seeds") if each.organization_id == "lumina"
)
DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 8)
DEBTS = b"rut,producto,vencimiento,monto\n19153032-2,A-1,2026-04-01,15000\n"
EVENT = b'{"event_id": "1"}\n'


def land(home: Home, load_id: int) -> Manifest:
    """A load of a debts file of Lumina and of a line of events."""
    content = DEBTS + f"19153032-2,A-2,2026-04-01,{load_id}\n".encode()
    sha256 = store.keep_anew(home, "lumina", lambda target: target.write(content) and None)
    file = LandedFile.of(
        LUMINA,
        kind="invoices",
        file_name=f"{DAY + timedelta(load_id - 1)}_toku_invoices.csv",
        business_date=DAY,
        sha256=sha256,
        byte_count=len(content),
        modified_at=AT,
        received_at=AT,
    )
    name = f"{load_id}.jsonl"
    (home.events / name).write_bytes(EVENT + b"%d\n" % load_id)
    (event_range,) = [each for each in event_files.take(home, {}) if each.source_file == name]
    manifest = Manifest(
        load_id,
        AT + timedelta(load_id),
        DAY,
        store.keep_contracts(home),
        looks=(Look("lumina", "looked", files_seen=1, files_taken=1),),
        files=(file,),
        events=(event_range,),
    )
    manifests.write_manifest(home, manifest)
    return manifest


def deliver(home: Home, load_id: int) -> None:
    """A batch of the ledger: a payments file of a load that was delivered."""
    file = OutgoingFile("lumina", DAY, "payments_file", f"{DAY}_toku_payments.csv", load_id, b"a\n")
    with ledger.open_batch(home, lambda: AT.replace(tzinfo=UTC)) as batch:
        batch.note_outcomes((file, "delivered", None, False))


def make(home: Home) -> Home:
    """Three loads that landed, and two batches of the ledger."""
    shutil.copytree(PROJECT / "seeds", home.seeds)
    home.create()
    for load_id in (1, 2, 3):
        land(home, load_id)
    for load_id in (1, 2):
        deliver(home, load_id)
    return home


def carry(home: Home) -> None:
    """Bring all that landed into the warehouse; the models are left out."""
    with warehouse.connect(home) as connection:
        while (carried := loads.carry_landed(connection, home)) is not None:
            warehouse.finish_load(connection, carried.manifest.load_id)
