"""The bank holidays that business days exclude (R25), from the `holidays` library.

`make bank-holidays` writes them to a seed, so that the models need only SQL. A test fails when the
library has a holiday that the seed lacks.
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
    """Return the text of the seed: the public and bank holidays of the countries and years."""
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
