"""`republish`: a payments file that was published, once more."""

from __future__ import annotations

import os
import sys
from datetime import datetime

import click
from rich.console import Console

from orchestration import delivery, ledger, locking, outgoing, reporting, warehouse
from orchestration.contracts import read_contracts
from orchestration.verbs.common import DATE, find_organization, open_home, told


@click.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.argument("business_date", metavar="DATE", type=DATE)
def republish(organization_id: str, business_date: datetime) -> None:
    """Put the payments file of a date into the outbox again, the same bytes."""
    console, home = Console(), open_home()
    with told(), locking.exclusive(home):
        organization = find_organization(read_contracts(home.seeds), organization_id)
        with warehouse.connect(home) as connection:
            ledger.restore(connection, home)
            files = outgoing.read_publication(
                connection, organization.organization_id, business_date.date()
            )
            changed = ledger.find_changed(connection, files)
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
            ledger.restore(connection, home)
        reporting.show_deliveries(console, home, deliveries)
        sys.exit(0 if all(each.is_delivered for each in deliveries) else 1)
