"""The bank holidays that business days exclude (R25), from the `holidays` library.

`make bank-holidays` writes them to a seed, so that the models need only SQL: to that of the folder
that SALDO_SEEDS names. A test fails when the library has a holiday that the project's seed lacks.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click
import holidays

from orchestration.installation.home import Home

COUNTRIES = ("CL",)
YEARS = range(2024, 2037)
SEED = "bank_holidays.csv"


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


def write(seeds: Path) -> Path:
    """Write the seed into a folder, and return its path."""
    path = seeds / SEED
    path.write_text(seed_text(), encoding="utf-8")
    return path


if __name__ == "__main__":
    click.echo(write(Home.from_environment().seeds))
