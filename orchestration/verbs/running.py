"""`run`, `replay`: run business dates, and replay the landing area."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime

import click
from rich.console import Console

from orchestration import runs
from orchestration.contracts.organizations import TIME_ZONE, read_contracts
from orchestration.defs.partitions import business_dates
from orchestration.delivery import ledger
from orchestration.installation import locking, warehouse
from orchestration.installation.home import Home
from orchestration.intake import receiving
from orchestration.reports import alerts, terminal
from orchestration.reports.printing import say
from orchestration.servers import deadlines
from orchestration.verbs.common import DATE, exit_on_user_error, not_copied, open_home


@click.command()
@click.option("--date", "business_date", type=DATE, help="The business date; today when left out.")
def run(business_date: datetime | None) -> None:
    """Run one business date for all organizations that are due."""
    console = Console()
    day = business_date.date() if business_date else datetime.now(TIME_ZONE).date()
    days = business_dates.get_partition_keys()
    if day.isoformat() not in days:
        raise click.BadParameter(f"{day} cannot be run: dates from {days[0]} to {days[-1]} can")
    with exit_on_user_error(), alerts.sent_if_raised(f"the run of {day} did not happen"):
        home = open_home()
        read_contracts(home.seeds)
        receiving.file_limit(os.environ)
        deadlines.read_limits(os.environ)
        with locking.exclusive(home):
            warehouse.wait_until_free(home, lambda text: say(console, text))
            is_good = run_day(console, home, day)
    sys.exit(0 if is_good else 1)


@click.command()
def replay() -> None:
    """Rebuild the warehouse from the landing area; the former one is set aside."""
    console, home = Console(), open_home()
    with (
        exit_on_user_error(),
        locking.exclusive(home),
        not_copied(home),
        console.status("replaying the landing area"),
    ):
        loads = runs.replay(home, lambda text: say(console, text))
    console.print(f"{len(loads)} loads replayed")


def run_day(console: Console, home: Home, day: date) -> bool:
    """Run a business date and report what it carried; return whether nothing is refused or held."""
    told_before = ledger.last_told(home)
    with console.status(f"business date {day}: fetching, loading, building, delivering"):
        loads = runs.run_business_date(home, day, lambda text: say(console, text))
    # The load that a killed run left may be of another date.
    others = [load.business_date for load in loads if load.business_date != day]
    days = sorted({day, *others[-1:]})
    with warehouse.connect(home) as connection:
        are_good = [
            terminal.show_day(console, connection, home, each, told_before) for each in days
        ]
        ledger.note_told(home, warehouse.last_batch_id(connection))
    return all(are_good)
