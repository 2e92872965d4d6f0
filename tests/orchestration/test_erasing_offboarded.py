"""A person of an organization that has been offboarded is erased as docs/erasing.md says it."""

from __future__ import annotations

from pathlib import Path

from orchestration.landing import manifests
from tests.orchestration.houses import csv_of, xlsx_of
from tests.orchestration.installations import CUSTOMERS, DAY, Deposit, one_run

NEXT = "2026-03-03"
GONE, STAYING = "case_gone", "case_staying"
PERSON = "12345678-5"
BOOK = xlsx_of([("RUT", "Nombre"), (PERSON, "Ana Secreta"), ("11.111.111-1", "Otra")])
DEBTS = csv_of(
    [("rut", "producto", "vencimiento", "monto"), ("22222222-2", "P 1", "2026-03-31", "1000")]
)


def test_the_row_is_put_back_the_landing_area_replayed_and_the_person_erased(
    tmp_path: Path,
) -> None:
    deposits = {
        "gone": Deposit(DEBTS, {"outbox_dir": f"{GONE}/not_yet_there"}, beside={CUSTOMERS: BOOK}),
        "staying": Deposit(DEBTS),
    }
    with one_run(tmp_path, deposits) as ran:
        assert ran.query("select customer_id from customers order by all") == [
            ("11111111-1",),
            (PERSON,),
        ]
        outbox = ran.server_root / GONE / "not_yet_there"
        outbox.mkdir()
        row = _take_row_out(ran.home.seeds)
        (ran.server_root / STAYING / "inbox" / f"{NEXT}_toku_invoices.csv").write_bytes(DEBTS)
        (ran.server_root / GONE / "inbox" / f"{NEXT}_toku_invoices.csv").write_bytes(DEBTS)
        assert ran.again("run", "--date", NEXT).returncode == 0
        without = ran.again("erase", GONE, PERSON)
        assert (without.returncode, f"no organization '{GONE}'" in without.stderr) == (2, True)
        assert list(outbox.iterdir()) == []

        _put_row_back(ran.home.seeds, row)
        early = ran.again("erase", GONE, PERSON)
        assert (early.returncode, early.stderr) == (
            1,
            f"saldo: the warehouse was built without a contract of {GONE}: `replay`, then erase\n",
        )
        replayed = ran.again("replay")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert (outbox / f"{DAY}_toku_payments.csv").exists()
        erased = ran.again("erase", GONE, PERSON)
        assert erased.returncode == 0, erased.stdout + erased.stderr
        assert f"persons of {GONE} erased: 1" in erased.stdout
        _take_row_out(ran.home.seeds)

        known = [each for (each,) in ran.query("select customer_id from customers order by all")]
        assert (len(known), "11111111-1" in known, PERSON in known) == (2, True, False)
        landed = [
            (file.organization_id, file.file_name)
            for manifest in manifests.read_manifests(ran.home)
            for file in manifest.files
        ]
        assert (GONE, f"{NEXT}_toku_invoices.csv") not in landed
        assert (STAYING, f"{NEXT}_toku_invoices.csv") in landed
        assert ran.again("verify", "--quick").returncode == 0


def _take_row_out(seeds: Path) -> str:
    path = seeds / "organizations.csv"
    rows = path.read_text("utf-8").splitlines(keepends=True)
    (own,) = (row for row in rows if row.startswith(f"{GONE},"))
    path.write_text("".join(row for row in rows if row != own), "utf-8")
    return own


def _put_row_back(seeds: Path, row: str) -> None:
    with (seeds / "organizations.csv").open("a", encoding="utf-8") as target:
        target.write(row)
