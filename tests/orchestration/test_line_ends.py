"""A file that was cut off: its last record lacks the line end that the file before it had (R13)."""

from __future__ import annotations

import subprocess
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from orchestration.installation import warehouse
from orchestration.intake import loading
from orchestration.landing import store
from orchestration.landing.manifests import LandedFile, Manifest
from tests.orchestration.houses import FIRST_DAY, House, csv_of, xlsx_of
from tests.orchestration.installations import (
    DAY,
    INVOICES,
    Deposit,
    Ran,
    Rows,
    one_run,
    organization_of,
)

MODES = ("replace", "upsert")
HEADER = ("cliente", "producto", "vencimiento", "monto")
WHOLE = csv_of([HEADER, *((f"C-{number}", "P", "2026-03-31", "150000") for number in range(9))])
CUT = WHOLE[: -len("000\n")]
# Sent again as the same file, and with another amount: a correction.
MENDED = WHOLE.replace(b"150000", b"160000")
RECORD = b"cliente,producto,vencimiento,monto\nC-1,P,2026-03-31,1000"
NOW = datetime(2026, 3, 1, 8)
# The bytes of a file, its kind, and whether its last record has its end.
ENDINGS: dict[str, tuple[bytes, str, bool | None]] = {
    "unix": (RECORD + b"\n", "invoices", True),
    "windows": (RECORD.replace(b"\n", b"\r\n") + b"\r\n", "invoices", True),
    "old_mac": (RECORD.replace(b"\n", b"\r") + b"\r", "invoices", True),
    "blank_lines": (RECORD + b"\n\n\n", "payments", True),
    "none": (RECORD, "invoices", False),
    "blank_behind": (RECORD + b"\n ", "payments", False),
    "cut_in_quotes": (RECORD + b'\nC-2,"P\n', "invoices", True),
    "header_alone": (RECORD.partition(b"\n")[0], "invoices", False),
    "no_byte": (b"", "invoices", None),
    "no_text": (RECORD.decode().encode("utf-16"), "invoices", None),
    "workbook": (xlsx_of([("cliente", "nombre"), ("C-1", "Ana")]), "customers", None),
}


def test_whether_the_last_record_has_its_line_end_is_a_fact_of_the_bytes(tmp_path: Path) -> None:
    house = House.make(tmp_path, {name: {} for name in ENDINGS})
    files = []
    for name, (content, kind, _) in ENDINGS.items():
        file = LandedFile.of(
            house.organizations[name],
            kind=kind,
            file_name=f"{FIRST_DAY}_toku_{kind}.csv",
            business_date=FIRST_DAY,
            sha256=sha256(content).hexdigest(),
            byte_count=len(content),
            modified_at=NOW,
            received_at=NOW,
        )
        path = store.stored_path(house.home, file)
        path.parent.mkdir()
        path.write_bytes(content)
        files.append(file)
    manifest = Manifest(1, NOW, FIRST_DAY, store.keep_contracts(house.home), files=tuple(files))
    with warehouse.connect(house.home) as connection:
        loading.load(connection, house.home, manifest)
        found = connection.execute(
            "select organization_id, ends_with_line_end from raw.intake_files"
        ).fetchall()
    assert dict(found) == {name: has_end for name, (_, _, has_end) in ENDINGS.items()}


def test_a_file_cut_within_an_amount_waits_in_either_mode_until_it_is_sent_whole(
    tmp_path: Path,
) -> None:
    contract = {"customer_id_scheme": "external_id"}
    deposits = {
        mode: Deposit(WHOLE, {**contract, "update_mode": mode}, "2026-03-01_toku_invoices.csv")
        for mode in MODES
    }
    with one_run(tmp_path, deposits) as ran:
        assert ran.command.returncode == 0, ran.command.stdout + ran.command.stderr
        waiting = _send(ran, CUT)
        assert waiting.returncode == 1
        assert (
            "held: `held` shows what a file would change, `approve` and `refuse`" in waiting.stdout
        )
        assert _found(ran) == ([("applied", None), ("held", "maybe_truncated")], [(150000,)])
        assert _send(ran, MENDED).returncode == 0
        assert _found(ran) == (
            [("applied", None), ("superseded", "older_than_applied"), ("applied", None)],
            [(160000,)],
        )


def _send(ran: Ran, content: bytes) -> subprocess.CompletedProcess[str]:
    """Send a file of the second day and run it."""
    for mode in MODES:
        (ran.server_root / organization_of(mode) / "inbox" / INVOICES).write_bytes(content)
    return ran.again("run", "--date", DAY)


def _found(ran: Ran) -> tuple[Rows, Rows]:
    """The files and the amounts of pending debts, which are the same in either mode."""
    found = [
        (
            ran.files(organization_of(mode)),
            list(dict.fromkeys((debt[3],) for debt in ran.debts(organization_of(mode)))),
        )
        for mode in MODES
    ]
    assert found[0] == found[1]
    return found[0]
