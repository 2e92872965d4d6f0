"""`erase`: delete the data of persons."""

from __future__ import annotations

import click
from rich.console import Console

from orchestration.contracts.organizations import read_contracts
from orchestration.installation import locking
from orchestration.privacy import erasure
from orchestration.verbs.common import exit_on_user_error, find_organization, not_copied, open_home


@click.command()
@click.argument("organization_id", metavar="[ORGANIZATION]", required=False)
@click.argument("customer_ids", metavar="[CUSTOMER_ID]...", nargs=-1)
def erase(organization_id: str | None, customer_ids: tuple[str, ...]) -> None:
    """Erase persons: their ids become pseudonyms, their names and mails tokens, everywhere.

    Without arguments: complete an unfinished erasure.
    """
    console, home = Console(), open_home()
    with exit_on_user_error(), locking.exclusive(home), not_copied(home):
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
