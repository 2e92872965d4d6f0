"""The bank holidays that business days exclude (R25), from the `holidays` library.

`make bank-holidays` writes them to a seed, so that the models need only SQL: to that of the folder
that SALDO_SEEDS names, for the countries of the contracts there. A test fails when the library has
a holiday that the project's seed lacks.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click
import holidays

from orchestration.contracts.organizations import read_organizations
from orchestration.contracts.tables import raise_for, read_rows
from orchestration.installation import whole_files
from orchestration.installation.home import Home
from orchestration.installation.messages import Say, warn_operator
from orchestration.verbs.common import exit_on_user_error

YEARS = range(2024, 2037)
SEED = "bank_holidays.csv"
_COLUMNS = ("country", "holiday_on", "name")


def write(seeds: Path, say: Say) -> Path:
    """Write the seed into the folder of the contracts, and return its path.

    The rows of the contracts' countries are replaced; those of other countries stay.

    Args:
        seeds: the folder.
        say: called with a sentence for each country of a contract that the library lacks.

    Raises:
        ContractError: the contracts or the seed cannot be read; nothing is written.

    """
    path = seeds / SEED
    countries = {each.country for each in read_organizations(seeds)}
    known = {country: days for country in countries if (days := _read_days(country))}
    problems: list[str] = []
    former = read_rows(path, _COLUMNS, problems) if path.exists() else []
    raise_for(problems)
    rows = [
        tuple(row[column] for column in _COLUMNS)
        for _, row in former
        if row["country"] not in known
    ]
    rows += [row for days in known.values() for row in days]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *sorted(rows)])
    whole_files.write_whole(path, text.getvalue().encode())
    for country in sorted(countries - known.keys()):
        say(f"the library has no holidays of {country}: add its rows to {path}, where they stay")
    return path


def _read_days(country: str) -> list[tuple[str, ...]]:
    """Read the public holidays of a country, and those of its banks if the library has some."""
    if country not in holidays.list_supported_countries():
        return []
    categories = {"public", "bank"} & {*holidays.country_holidays(country).supported_categories}
    days = holidays.country_holidays(
        country, years=YEARS, categories=tuple(categories), language="es"
    )
    return [(country, day.isoformat(), name) for day, name in days.items()]


if __name__ == "__main__":
    with exit_on_user_error():
        click.echo(write(Home.from_environment().seeds, warn_operator))
