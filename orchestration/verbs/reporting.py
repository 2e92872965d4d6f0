"""`report`: a business date as one file."""

from __future__ import annotations

from datetime import datetime

import click

from orchestration.pages import languages
from orchestration.pages import report as reports
from orchestration.verbs.common import DATE, exit_on_user_error, open_home


@click.command()
@click.option(
    "--date", "business_date", type=DATE, help="The business date; the newest when left out."
)
@click.option(
    "--language",
    type=click.Choice(list(languages.LANGUAGES)),
    default=languages.DEFAULT,
    show_default=True,
    help="The language of the report.",
)
def report(business_date: datetime | None, language: str) -> None:
    """Write the pictures of a business date as one HTML file, to print or attach."""
    with exit_on_user_error():
        day = business_date.date() if business_date else None
        click.echo(reports.write(open_home(), day, language).path)
