"""The seed of bank holidays is what the library knows of the countries of the contracts."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from orchestration.contracts.organizations import ORGANIZATIONS
from orchestration.contracts.tables import ContractError
from orchestration.devtools.bank_holidays import SEED, YEARS, write
from orchestration.installation.home import PROJECT


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """A copy of the project's contracts and seeds."""
    return Path(shutil.copytree(PROJECT / "seeds", tmp_path / "seeds"))


def _move(seeds: Path, **countries: str) -> None:
    """Give organizations another country."""
    path = seeds / ORGANIZATIONS
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        row["country"] = countries.get(row["organization_id"], row["country"])
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _days(seeds: Path) -> dict[str, dict[str, str]]:
    """The names of the days of the seed, by country and day."""
    days: dict[str, dict[str, str]] = defaultdict(dict)
    with (seeds / SEED).open(encoding="utf-8", newline="") as source:
        for row in csv.DictReader(source):
            days[row["country"]][row["holiday_on"]] = row["name"]
    return days


def test_the_seed_is_what_the_library_says(seeds: Path) -> None:
    before = (seeds / SEED).read_bytes()
    (seeds / SEED).unlink()
    said: list[str] = []
    assert write(seeds, said.append) == seeds / SEED
    assert (seeds / SEED).read_bytes() == before
    assert said == []


def test_it_is_written_where_the_contracts_of_the_installation_are(seeds: Path) -> None:
    before = (PROJECT / "seeds" / SEED).stat()
    (seeds / SEED).unlink()
    ran = subprocess.run(
        [sys.executable, "-m", "orchestration.devtools.bank_holidays"],
        cwd=PROJECT,
        env={**os.environ, "SALDO_SEEDS": str(seeds)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == (f"{seeds / SEED}\n", "")
    assert (seeds / SEED).read_bytes() == (PROJECT / "seeds" / SEED).read_bytes()
    assert (PROJECT / "seeds" / SEED).stat().st_mtime_ns == before.st_mtime_ns


def test_the_countries_of_the_contracts_are_written_and_rows_of_others_stay(seeds: Path) -> None:
    _move(seeds, lumina="PE", andes_seguros="QQ", colegio_pehuen="AR")
    chile = _days(seeds)["CL"]
    with (seeds / SEED).open("a", encoding="utf-8") as target:
        target.write("PE,2026-01-02,Nothing\nQQ,2026-05-02,Day of Q\nBO,2026-08-06,Patria\n")
    said: list[str] = []
    for _ in range(2):
        write(seeds, said.append)
        days = _days(seeds)
        assert days.keys() == {"AR", "BO", "CL", "PE", "QQ"}
        assert days["CL"] == chile
        assert days["BO"] == {"2026-08-06": "Patria"}
        assert days["QQ"] == {"2026-05-02": "Day of Q"}
        assert days["PE"]["2026-07-28"] == "Día de la Independencia"
        assert "2026-01-02" not in days["PE"]
        # A holiday of banks alone.
        assert days["AR"]["2026-11-06"] == "Día del Bancario"
        assert {int(day[:4]) for day in days["PE"]} == {*YEARS}
    told = f"the library has no holidays of QQ: add its rows to {seeds / SEED}, where they stay"
    assert said == [told, told]
    rows = (seeds / SEED).read_text("utf-8").splitlines()[1:]
    assert rows == sorted(rows)


@pytest.mark.parametrize("wrong", [SEED, ORGANIZATIONS])
def test_a_seed_or_contracts_that_cannot_be_read_are_told_and_left(seeds: Path, wrong: str) -> None:
    (seeds / wrong).write_text("pais;dia\n", "utf-8")
    before = (seeds / SEED).read_bytes()
    with pytest.raises(ContractError, match=f"^{wrong}, row 1: missing columns: "):
        write(seeds, [].append)
    assert (seeds / SEED).read_bytes() == before


def test_the_seed_knows_a_public_holiday_a_bank_holiday_and_no_working_day() -> None:
    days = _days(PROJECT / "seeds")["CL"]
    asked = {date(2026, 9, 18), date(2026, 12, 31), date(2026, 12, 30)}
    assert {day for day in asked if day.isoformat() in days} == {
        date(2026, 9, 18),
        date(2026, 12, 31),
    }
