"""`check`: whether a contract and its server can be used."""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console

from orchestration.contracts.organizations import read_contracts
from orchestration.installation import engines
from orchestration.intake import checking
from orchestration.reports import terminal
from orchestration.verbs.common import exit_on_user_error, find_organization, open_home


@click.command()
@click.argument("organization_id", metavar="[ORGANIZATION]", required=False)
@click.option("--offline", is_flag=True, help="The contracts alone, as for CI of the seeds.")
def check(organization_id: str | None, offline: bool) -> None:
    """Try contracts and servers, and tell what the newest files would change; changes nothing."""
    console, home = Console(), open_home()
    with exit_on_user_error():
        organizations = read_contracts(home.seeds)
        if offline:
            console.print(f"{len(organizations)} contracts can be used", highlight=False)
            return
        engines.chosen().require(home)
        if organization_id is not None:
            organizations = [find_organization(organizations, organization_id)]
        with console.status("connecting, listing, reading"):
            found = checking.check(home, organizations, os.environ)
        terminal.show_checked(console, found)
        sys.exit(0 if all(each.is_good for each in found) else 1)
