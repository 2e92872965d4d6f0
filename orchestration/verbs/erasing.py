"""`erase`: delete the data of persons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from orchestration.contracts.organizations import read_contracts
from orchestration.installation import locking
from orchestration.installation.home import Home
from orchestration.privacy import erasure
from orchestration.verbs.common import find_organization, open_home, told


@click.command()
@click.argument("organization_id", metavar="[ORGANIZATION]", required=False)
@click.argument("customer_ids", metavar="[CUSTOMER_ID]...", nargs=-1)
def erase(organization_id: str | None, customer_ids: tuple[str, ...]) -> None:
    """Erase persons: their ids become pseudonyms, their names and mails tokens, everywhere.

    Without arguments: complete an unfinished erasure.
    """
    console, home = Console(), open_home()
    with told(), locking.exclusive(home), _not_copied(home):
        organizations = read_contracts(home.seeds)
        if organization_id is None:
            if not erasure.is_unfinished(home):
                raise click.UsageError("say whose customers, and which; no erasure is unfinished")
            erasure.finish(home, console.print)
        else:
            organization = find_organization(organizations, organization_id)
            if not customer_ids:
                raise click.UsageError(f"say which customers of {organization_id}")
            erasure.erase(home, organization, customer_ids, console.print)


@contextmanager
def _not_copied(home: Home) -> Iterator[None]:
    """Wait for a `verify` that has a copy of the warehouse, and let none begin."""
    home.verifying.root.mkdir(parents=True, exist_ok=True)
    with locking.exclusive(home.verifying):
        yield
