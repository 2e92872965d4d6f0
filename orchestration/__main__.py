"""The command: `python -m orchestration VERB`. Exit 0 done, 1 refused or held, 2 wrong use."""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from orchestration import reporting, runs, uploads, warehouse
from orchestration.contracts import (
    ContractError,
    Organization,
    read_column_aliases,
    read_organizations,
)
from orchestration.home import Home
from orchestration.warehouse import WarehouseBusyError

# The pages ask for no password: nobody but this machine reaches them.
PAGES_HOST = "127.0.0.1"
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


@main.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.argument(
    "workbook", metavar="FILE.xlsx", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def upload_customers(organization_id: str, workbook: Path) -> None:
    """Create and update customers from a workbook of an organization."""
    console = Console()
    home = open_home()
    try:
        organization = find_organization(home, organization_id)
        uploads.put(home, organization, workbook, workbook.name, datetime.now(UTC))
        sys.exit(0 if run_uploads(console, home) else 1)
    except (ContractError, WarehouseBusyError, runs.RunFailedError) as error:
        click.echo(f"saldo: {error}", err=True)
        sys.exit(2 if isinstance(error, ContractError) else 1)


@main.command()
def load_uploads() -> None:
    """Load the workbooks that wait: what the pages run once an operator has confirmed one."""
    try:
        sys.exit(0 if run_uploads(Console(), open_home()) else 1)
    except (ContractError, WarehouseBusyError, runs.RunFailedError) as error:
        click.echo(f"saldo: {error}", err=True)
        sys.exit(2 if isinstance(error, ContractError) else 1)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8600, show_default=True)
def pages(port: int) -> None:
    """Serve the pages for operators on this machine."""
    import uvicorn  # noqa: PLC0415 (no other verb serves anything)

    from orchestration.pages.app import create_app  # noqa: PLC0415

    click.echo(f"http://{PAGES_HOST}:{port}")
    # Addresses could be logged; what is sent never is (R30).
    uvicorn.run(create_app(open_home()), host=PAGES_HOST, port=port, log_level="warning")


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


def find_organization(home: Home, organization_id: str) -> Organization:
    """The contract of an organization.

    Raises:
        ContractError: it has none, or the contracts are wrong.

    """
    organizations = read_organizations(home.seeds)
    read_column_aliases(home.seeds)
    for organization in organizations:
        if organization.organization_id == organization_id:
            return organization
    known = ", ".join(each.organization_id for each in organizations)
    raise ContractError(f"no organization {organization_id!r}; those with a contract: {known}")


def run_uploads(console: Console, home: Home) -> bool:
    """Load the workbooks that wait and print what came of them; whether none was refused."""
    today = datetime.now(DEFAULT_TIME_ZONE).date()
    with runs.exclusive(home):
        with console.status("loading what was uploaded"):
            done = runs.run_uploads(home, today, console.print)
        with warehouse.connect(home) as connection:
            return reporting.show_uploads(console, connection, [run.load_id for run in done])


if __name__ == "__main__":
    main(prog_name="python -m orchestration")
