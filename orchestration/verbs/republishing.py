"""`republish`: send a published payments file again."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime

import click
from rich.console import Console

from orchestration.contracts.organizations import Organization, read_contracts
from orchestration.delivery import ledger, outbox, outgoing, published_copy
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import kept_tables, locking, warehouse
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.landing import manifests
from orchestration.reports import terminal
from orchestration.verbs.common import DATE, exit_on_user_error, find_organization, open_home


@click.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.argument("business_date", metavar="DATE", type=DATE)
def republish(organization_id: str, business_date: datetime) -> None:
    """Put the payments file of a date into the outbox again, with the same bytes."""
    console, home = Console(), open_home()
    with exit_on_user_error(), locking.exclusive(home):
        organization = find_organization(read_contracts(home.seeds), organization_id)
        with warehouse.connect(home) as connection:
            kept_tables.check(connection)
            ledger.restore(connection, home)
            files = outgoing.read_publication(
                connection, organization.organization_id, business_date.date()
            )
            # An answer may be sent anew in another form: it replaces the former one.
            changed = ledger.find_changed(connection, [each for each in files if each.is_final])
            why_changed = _find_why(connection, home, organization, changed)
        if not files:
            raise click.BadParameter(
                f"{organization_id} has no payments file of {business_date:%Y-%m-%d}; `run` makes"
                " one"
            )
        if changed:
            click.echo(
                f"saldo: what {organization_id} was sent for {business_date:%Y-%m-%d}"
                f" {why_changed}: nothing else is sent in its place",
                err=True,
            )
            sys.exit(1)
        deliveries = outbox.deliver(home, files, [organization], os.environ)
        terminal.show_deliveries(console, home, deliveries)
        with warehouse.connect(home) as connection:
            ledger.restore(connection, home)
            published_copy.renew_after_delivery(connection, home)
        sys.exit(0 if all(each.is_delivered for each in deliveries) else 1)


def _find_why(
    connection: Connection,
    home: Home,
    organization: Organization,
    changed: Sequence[OutgoingFile],
) -> str:
    """Explain why the file would differ from the one sent before, as the end of a sentence."""
    payments = [each for each in changed if each.kind == outgoing.PAYMENTS_FILE]
    former = [each.as_older_versions_wrote_it(organization.delimiter) for each in payments]
    if former and not ledger.find_changed(connection, former):
        return (
            "is of an older version of Saldo, which put no apostrophe before what a spreadsheet"
            " would run as a formula"
        )
    if manifests.has_erased(home, organization.organization_id):
        return "exists no more, a person in it has been erased"
    return "is of an older version of Saldo, which wrote it in other bytes"
