"""A file that was cut off: its last record lacks the line end that the file before it had (R13)."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest

from orchestration.installation import warehouse
from orchestration.intake import loading
from orchestration.landing import store
from orchestration.landing.manifests import LandedFile, Manifest
from tests.orchestration.houses import FIRST_DAY, Deposit, House, csv_of, xlsx_of

HEADER = ("cliente", "producto", "vencimiento", "monto")
WHOLE = csv_of([HEADER, *((f"C-{number}", "P", "2026-03-31", "150000") for number in range(9))])
CUT = WHOLE[: -len("000\n")]
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


@pytest.mark.parametrize("mode", ["replace", "upsert"])
def test_a_file_cut_within_an_amount_waits_where_it_would_take_debts_away(
    tmp_path: Path, mode: str
) -> None:
    house = House.make(tmp_path, {"agua": {"update_mode": mode}})
    house.load(Deposit("agua", WHOLE))
    house.load(Deposit("agua", CUT))
    (file,) = house.query("select status, code from intake_files where load_id = 2")
    debts = house.query("select distinct amount, status from debts order by all")
    if mode == "replace":
        assert (file, debts) == (("held", "maybe_truncated"), [(150000, "pending")])
    else:
        assert (file, debts) == (("applied", None), [(150, "pending"), (150000, "pending")])
