"""The command: `python -m orchestration VERB`. Exit 0 done, 1 refused or held, 2 wrong use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.console import Console

from orchestration import (
    checking,
    decisions,
    delivery,
    erasure,
    intake,
    locking,
    persons,
    publishing,
    reporting,
    runs,
    uploads,
    warehouse,
)
from orchestration.contracts import (
    ContractError,
    Organization,
    read_contracts,
)
from orchestration.defs.partitions import business_dates
from orchestration.home import Home
from orchestration.locking import WarehouseBusyError

_DATE = click.DateTime(["%Y-%m-%d"])
# The pages ask for no password: nobody but this machine reaches them.
PAGES_HOST = "127.0.0.1"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Saldo: debts in by SFTP, payments files out."""


@main.command()
@click.option("--date", "business_date", type=_DATE, help="The business date; today when left out.")
def run(business_date: datetime | None) -> None:
    """Run one business date for all organizations that are due."""
    console, home = Console(), open_home()
    day = business_date.date() if business_date else datetime.now(runs.DEFAULT_TIME_ZONE).date()
    days = business_dates.get_partition_keys()
    if day.isoformat() not in days:
        raise click.BadParameter(f"{day} cannot be run: dates from {days[0]} to {days[-1]} can")
    with _told():
        read_contracts(home.seeds)
        intake.file_limit(os.environ)
        with locking.exclusive(home):
            sys.exit(0 if run_day(console, home, day) else 1)


@main.command()
def held() -> None:
    """List the files that wait for a decision, with the difference that they would make."""
    console, home = Console(), open_home()
    with _told():
        with publishing.reading(home) as published:
            files = decisions.read_held(published)
        reporting.show_held(console, files)
        sys.exit(1 if files else 0)


@main.command()
@click.argument("file_id")
def approve(file_id: str) -> None:
    """Apply a held file as it is."""
    _decide(file_id, decisions.APPROVED)


@main.command()
@click.argument("file_id")
def refuse(file_id: str) -> None:
    """Refuse a held file: the debts stay as they are."""
    _decide(file_id, decisions.REFUSED)


@main.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.argument("business_date", metavar="DATE", type=_DATE)
def republish(organization_id: str, business_date: datetime) -> None:
    """Put the payments file of a date into the outbox again, the same bytes."""
    console, home = Console(), open_home()
    with _told(), locking.exclusive(home):
        organization = _find(read_contracts(home.seeds), organization_id)
        with warehouse.connect(home) as connection:
            files = delivery.read_publication(
                connection, organization.organization_id, business_date.date()
            )
            changed = delivery.find_changed(connection, files)
        if not files:
            raise click.BadParameter(
                f"{organization_id} has no payments file of {business_date:%Y-%m-%d}"
            )
        if changed:
            click.echo(
                f"saldo: what {organization_id} was sent for {business_date:%Y-%m-%d} exists no"
                " more, a person in it has been erased: nothing else is sent in its place",
                err=True,
            )
            sys.exit(1)
        deliveries = delivery.deliver(home, files, [organization], os.environ)
        with warehouse.connect(home) as connection:
            delivery.record(connection, home, deliveries)
        reporting.show_deliveries(console, home, deliveries)
        sys.exit(0 if all(each.is_delivered for each in deliveries) else 1)


@main.command()
def replay() -> None:
    """Build the warehouse anew from the landing area; the former one is set aside."""
    console, home = Console(), open_home()
    with _told(), locking.exclusive(home), console.status("replaying the landing area"):
        loads = runs.replay(home, console.print)
    console.print(f"{len(loads)} loads replayed")


@main.command()
@click.argument("organization_id", metavar="[ORGANIZATION]", required=False)
@click.argument("customer_ids", metavar="[CUSTOMER_ID]...", nargs=-1)
def erase(organization_id: str | None, customer_ids: tuple[str, ...]) -> None:
    """Erase persons: their ids become pseudonyms, their names and mails tokens, everywhere.

    Without arguments: end an erasure that was begun and killed.
    """
    console, home = Console(), open_home()
    with _told(), locking.exclusive(home):
        organizations = read_contracts(home.seeds)
        if organization_id is None:
            if not erasure.is_unfinished(home):
                raise click.UsageError("say whose customers, and which; no erasure is unfinished")
            erasure.finish(home, console.print)
        else:
            organization = _find(organizations, organization_id)
            if not customer_ids:
                raise click.UsageError(f"say which customers of {organization_id}")
            erasure.erase(home, organization, customer_ids, console.print)


@main.command()
@click.argument("organization_id", metavar="[ORGANIZATION]", required=False)
def check(organization_id: str | None) -> None:
    """Try contracts and servers, and what would become of the newest files; changes nothing."""
    console, home = Console(), open_home()
    with _told():
        organizations = read_contracts(home.seeds)
        if organization_id is not None:
            organizations = [_find(organizations, organization_id)]
        with console.status("connecting, listing, reading"):
            found = checking.check(home, organizations, os.environ)
        reporting.show_checked(console, found)
        sys.exit(0 if all(each.is_good for each in found) else 1)


@main.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.argument(
    "workbook", metavar="FILE.xlsx", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def upload_customers(organization_id: str, workbook: Path) -> None:
    """Create and update customers from a workbook of an organization."""
    console, home = Console(), open_home()
    with _told():
        organization = _find(read_contracts(home.seeds), organization_id)
        uploads.put(home, organization, workbook, workbook.name, datetime.now(UTC))
        sys.exit(0 if run_uploads(console, home) else 1)


@main.command()
def load_uploads() -> None:
    """Load the workbooks that wait: what the pages run once an operator has confirmed one."""
    with _told():
        sys.exit(0 if run_uploads(Console(), open_home()) else 1)


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


def run_uploads(console: Console, home: Home) -> bool:
    """Load the workbooks that wait and print what came of them; whether none was refused."""
    with locking.exclusive(home):
        with console.status("loading what was uploaded"):
            done = runs.run_uploads(home, console.print)
        with warehouse.connect(home) as connection:
            return reporting.show_uploads(console, connection, [run.load_id for run in done])


def _decide(file_id: str, decision: str) -> None:
    """Note a decision, then carry it out; while a run holds the warehouse the note waits."""
    console, home = Console(), open_home()
    with _told():
        read_contracts(home.seeds)
        with publishing.reading(home) as published:
            decisions.check_held(published, file_id)
        decisions.note(home, file_id, decision, datetime.now(UTC))
        console.print(f"{file_id}: {decision}, noted", highlight=False)
        with locking.exclusive(home):
            with console.status("carrying out the decision"):
                runs.run_decisions(home, console.print)
            with publishing.reading(home) as published:
                reporting.show_file(console, published, file_id)


def _find(organizations: list[Organization], organization_id: str) -> Organization:
    for organization in organizations:
        if organization.organization_id == organization_id:
            return organization
    known = ", ".join(each.organization_id for each in organizations)
    raise ContractError(f"no organization {organization_id!r}; those with a contract: {known}")


@contextmanager
def _told() -> Iterator[None]:
    """Errors that a user can do something about, without a traceback."""
    try:
        yield
    except (ContractError, decisions.NotHeldError, persons.InvalidCustomerIdError) as error:
        click.echo(f"saldo: {error}", err=True)
        sys.exit(2)
    except (WarehouseBusyError, runs.RunFailedError, persons.RefusedError) as error:
        click.echo(f"saldo: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m orchestration")
