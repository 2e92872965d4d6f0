"""The seed of bank holidays is what the library knows."""

from __future__ import annotations

from datetime import date

from orchestration.devtools.bank_holidays import SEED, seed_text


def test_the_seed_is_what_the_library_says() -> None:
    assert SEED.read_text(encoding="utf-8") == seed_text()


def test_the_seed_knows_a_public_holiday_a_bank_holiday_and_no_working_day() -> None:
    days = {line.split(",")[1] for line in seed_text().splitlines()[1:]}
    asked = {date(2026, 9, 18), date(2026, 12, 31), date(2026, 12, 30)}
    assert {day for day in asked if day.isoformat() in days} == {
        date(2026, 9, 18),
        date(2026, 12, 31),
    }
