"""`pages`: the web pages for operators."""

from __future__ import annotations

import click
import uvicorn

from orchestration.pages.app import create_app
from orchestration.verbs.common import open_home

# The pages ask for no password: only this machine can reach them.
_HOST = "127.0.0.1"


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8600,
    show_default=True,
    envvar="SALDO_PAGES_PORT",
    show_envvar=True,
)
def pages(port: int) -> None:
    """Serve the pages for operators on this machine."""
    click.echo(f"http://{_HOST}:{port}")
    # The access log would contain URLs. Request bodies are never logged (R30).
    uvicorn.run(create_app(open_home()), host=_HOST, port=port, log_level="warning")
