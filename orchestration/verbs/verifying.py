"""`verify`, `restore`: check whether what is kept is whole, and recover it."""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console

from orchestration.contracts.organizations import read_contracts
from orchestration.delivery import local_copies
from orchestration.installation import locking, warehouse
from orchestration.installation.home import Home
from orchestration.intake import restoring, soundness
from orchestration.reports import verifying
from orchestration.reports.printing import say
from orchestration.verbs.common import exit_on_user_error, open_home


@click.command()
@click.option("--quick", is_flag=True, help="Only read what is kept; build nothing once more.")
def verify(*, quick: bool) -> None:
    """Check that what landed is whole, and that everything made of it agrees with it.

    The models are built once more beside the warehouse, and dbt's tests look at all rows.
    """
    console, home = Console(), open_home()
    with exit_on_user_error():
        with console.status("reading all that is kept" if quick else "building all once more"):
            verified = _read(home) if quick else verifying.verify_whole(home)
        for each in (*verified.findings, *verified.remarks):
            say(console, each)
        if not verified.findings:
            nothing = "nothing" if verified.is_complete else "nothing that was read"
            say(console, f"{verified.load_count} loads landed: {nothing} is damaged")
        sys.exit(1 if verified.findings else 0)


def _read(home: Home) -> verifying.Verified:
    with locking.exclusive(home):
        return verifying.verify(home)


@click.command()
def restore() -> None:
    """Replace damaged files of the landing area with the same bytes from another place.

    That is the organizations' inboxes, the folder of events, the contracts and the warehouse. Files
    of rows are rebuilt from what landed, and the local copies of payments files from what was
    published. Nothing is sent.
    """
    console, home = Console(), open_home()
    with exit_on_user_error(), locking.exclusive(home):
        with console.status("looking for the same bytes"):
            restored = restoring.restore(home, read_contracts(home.seeds), os.environ)
            findings = soundness.check_landing(home, *warehouse.peek_numbers(home))
        for path in restored:
            say(console, f"{path} is as it was written again")
        for each in findings:
            say(console, each.said)
        if findings:
            sys.exit(1)
        say(console, "what landed is whole")
        restoring.restore_rows(home, lambda text: say(console, text))
        is_whole = local_copies.restore(home, lambda text: say(console, text))
        sys.exit(0 if is_whole else 1)
