"""The command: `python -m orchestration VERB`. Exit 0 done, 1 refused or held, 2 wrong use."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from orchestration import reporting, runs, warehouse
from orchestration.contracts import ContractError, read_column_aliases, read_organizations
from orchestration.home import Home
from orchestration.warehouse import WarehouseBusyError

DEFAULT_TIME_ZONE = ZoneInfo("America/Santiago")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Saldo: debts in by SFTP, payments files out."""


@main.command()
@click.option(
    "--date",
    "business_date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The business date; today when left out.",
)
def run(business_date: datetime | None) -> None:
    """Run one business date for all organizations that are due."""
    console = Console()
    home = open_home()
    day = business_date.date() if business_date else datetime.now(DEFAULT_TIME_ZONE).date()
    try:
        read_organizations(home.seeds)
        read_column_aliases(home.seeds)
        with runs.exclusive(home):
            sys.exit(0 if run_day(console, home, day) else 1)
    except (ContractError, WarehouseBusyError, runs.RunFailedError) as error:
        click.echo(f"saldo: {error}", err=True)
        sys.exit(2 if isinstance(error, ContractError) else 1)


def open_home() -> Home:
    """The home that the environment names, made and set for dbt and Dagster."""
    home = Home.from_environment()
    home.create()
    os.environ.update(home.environment())
    return home


def run_day(console: Console, home: Home, day: date) -> bool:
    """Run a business date and print what came of it; whether nothing was refused or held."""
    with console.status(f"business date {day}: fetching, loading, building, delivering"):
        runs.run_business_date(home, day, console.print)
    with warehouse.connect(home) as connection:
        return reporting.show_day(console, connection, home, day)


if __name__ == "__main__":
    main(prog_name="python -m orchestration")
