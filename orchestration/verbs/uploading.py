"""`upload-customers`, `load-uploads`: customers from workbooks (R26)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from orchestration import runs
from orchestration.contracts.organizations import read_contracts
from orchestration.installation import locking, warehouse
from orchestration.installation.home import Home
from orchestration.intake import uploads
from orchestration.reports import alerts, terminal
from orchestration.verbs.common import exit_on_user_error, find_organization, open_home


@click.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.argument(
    "workbook", metavar="FILE.xlsx", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def upload_customers(organization_id: str, workbook: Path) -> None:
    """Create and update customers from a workbook of an organization."""
    console, home = Console(), open_home()
    with exit_on_user_error():
        organization = find_organization(read_contracts(home.seeds), organization_id)
        own = uploads.put(home, organization, workbook, workbook.name, datetime.now(UTC))
        statuses = _run_uploads(console, home, own)
    # What was loaded on the way is shown, too; the exit status is that of this workbook.
    sys.exit(0 if statuses.get(own.file_id, "refused") != "refused" else 1)


@click.command()
def load_uploads() -> None:
    """Load the workbooks that wait; the pages start this when an operator has confirmed one."""
    with exit_on_user_error(), alerts.sent_if_raised("workbooks of customers could not be loaded"):
        statuses = _run_uploads(Console(), open_home())
    sys.exit(1 if "refused" in statuses.values() else 0)


def _run_uploads(console: Console, home: Home, own: uploads.Upload | None = None) -> dict[str, str]:
    """Load the waiting workbooks and print the results.

    Args:
        console: the terminal.
        home: the installation.
        own: the upload of this command, which another one may load while this one waits.

    Returns:
        What became of each workbook, by its id in `intake_files`.

    """
    with locking.exclusive(home):
        with console.status("loading what was uploaded"):
            done = runs.run_uploads(home, console.print)
        with warehouse.connect(home) as connection:
            return terminal.show_uploads(
                console,
                connection,
                [run.load_id for run in done],
                [own.file_id] if own is not None else [],
            )
