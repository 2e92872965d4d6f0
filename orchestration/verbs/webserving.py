"""`webserver`: Dagster's user interface."""

from __future__ import annotations

import os

import click

from orchestration.pages.webserver import serve
from orchestration.verbs.common import exit_on_user_error, open_home


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=3000,
    show_default=True,
    envvar="SALDO_UI_PORT",
    show_envvar=True,
)
@click.option("--with-daemon", is_flag=True, help="Run Dagster's daemon, too, for as long.")
def webserver(port: int, with_daemon: bool) -> None:
    """Serve Dagster's user interface on this machine, to its own pages alone."""
    open_home()
    with exit_on_user_error():
        serve(port, os.environ, with_daemon=with_daemon)
