"""The seed of bank holidays is what the library knows."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

from orchestration.devtools.bank_holidays import SEED, seed_text
from orchestration.installation.home import PROJECT


def test_the_seed_is_what_the_library_says() -> None:
    assert (PROJECT / "seeds" / SEED).read_text(encoding="utf-8") == seed_text()


def test_it_is_written_where_the_contracts_of_the_installation_are(tmp_path: Path) -> None:
    before = (PROJECT / "seeds" / SEED).stat()
    ran = subprocess.run(
        [sys.executable, "-m", "orchestration.devtools.bank_holidays"],
        cwd=PROJECT,
        env={**os.environ, "SALDO_SEEDS": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{tmp_path / SEED}\n"
    assert (tmp_path / SEED).read_text(encoding="utf-8") == seed_text()
    assert (PROJECT / "seeds" / SEED).stat().st_mtime_ns == before.st_mtime_ns


def test_the_seed_knows_a_public_holiday_a_bank_holiday_and_no_working_day() -> None:
    days = {line.split(",")[1] for line in seed_text().splitlines()[1:]}
    asked = {date(2026, 9, 18), date(2026, 12, 31), date(2026, 12, 30)}
    assert {day for day in asked if day.isoformat() in days} == {
        date(2026, 9, 18),
        date(2026, 12, 31),
    }
