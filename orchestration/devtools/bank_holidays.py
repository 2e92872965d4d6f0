"""The bank holidays that business days are counted without (R25), from the `holidays` library.

`make bank-holidays` writes them into a seed, so that the models need nothing but SQL; a test tells
when the library has learned of a holiday that the seed does not know.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import holidays

from orchestration.installation.home import PROJECT

COUNTRIES = ("CL",)
YEARS = range(2024, 2037)
SEED = PROJECT / "seeds" / "bank_holidays.csv"


def seed_text() -> str:
    """The seed as it should be: each public or bank holiday of the countries and years."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["country", "holiday_on", "name"])
    for country in COUNTRIES:
        days = holidays.country_holidays(
            country, years=YEARS, categories=("public", "bank"), language="es"
        )
        writer.writerows([country, day.isoformat(), name] for day, name in sorted(days.items()))
    return text.getvalue()


def write(path: Path = SEED) -> None:
    """Write the seed."""
    path.write_text(seed_text(), encoding="utf-8")


if __name__ == "__main__":
    write()
