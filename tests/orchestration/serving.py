"""The pages served on a port of this machine, and a browser without scripts that opens them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import uvicorn
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from orchestration.contracts.organizations import read_organizations
from orchestration.devtools.loopback_sftp import free_port
from orchestration.installation.home import Home
from orchestration.intake import uploads
from orchestration.pages import loader
from orchestration.pages.app import create_app
from tests.orchestration.forking import run_module


@dataclass(frozen=True)
class Served:
    """The pages of a home on a port of this machine."""

    home: Home
    address: str

    def waiting(self) -> list[uploads.Upload]:
        """What was handed over."""
        return uploads.read_waiting(self.home, read_organizations(self.home.seeds))


@contextmanager
def serve_pages(home: Home) -> Iterator[Served]:
    """Serve the pages of a home until the block ends."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(home), host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield Served(home, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join()


@contextmanager
def forked_loads() -> Iterator[None]:
    """Have the verbs that the pages start be forked, until the block ends."""

    def run(
        command: Sequence[str], *, env: Mapping[str, str], cwd: Path, **_: object
    ) -> subprocess.CompletedProcess[str]:
        python, option, module, *typed = command
        assert (python, option) == (sys.executable, "-m")
        return run_module(module, typed, env, cwd)

    with patch.object(loader, "subprocess", SimpleNamespace(run=run)):
        yield


@contextmanager
def open_browser(chromium: str) -> Iterator[Browser]:
    """A browser that asks for nothing of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


def open_window(browser: Browser, troubles: list[str]) -> Page:
    """A window without scripts and cookies, which notes what it has to complain about."""
    page = browser.new_context(java_script_enabled=False, locale="en-US").new_page()
    page.set_default_timeout(300_000)
    page.on("console", lambda message: troubles.append(message.text))
    return page


def follow(link: Locator) -> None:
    """Click what leads to another page, and wait until that page is there to its end.

    A click does not: what is looked for next could be of the page that is left, or of half a page.
    """
    with link.page.expect_event("load"):
        link.click()


def table_rows(page: Page, selector: str) -> list[list[str]]:
    """The cells of the body of a table, row by row, as a reader sees them."""
    rows = page.locator(f"{selector} tbody tr").all()
    return [[cell.inner_text().strip() for cell in row.locator("th, td").all()] for row in rows]
