"""A real SFTP server for each worker, and organizations that have their folders on it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, Page

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.devtools.loopback_sftp import HOST, LoopbackServer, find_sshd, serve
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import trying
from orchestration.pages import today
from tests.orchestration.consoles import MORNING, a_morning
from tests.orchestration.installations import Installed
from tests.orchestration.leftovers import unmount
from tests.orchestration.proxying import find_nginx
from tests.orchestration.serving import (
    Served,
    forked_loads,
    open_browser,
    open_window,
    serve_pages,
)
from tests.orchestration.starting import lend_models


class MakeOrganization(Protocol):
    """Makes a contract of the seeds anew, with folders of its own on the test's server."""

    def __call__(self, organization_id: str = "lumina", **changes: Any) -> Organization: ...


def pytest_report_header() -> list[str]:
    """Say which SFTP server, which browser and which proxy the tests use."""
    sshd, chromium, nginx = find_sshd(), _find_chromium(), find_nginx()
    return [
        f"SFTP server: {f'OpenSSH ({sshd})' if sshd else 'the asyncssh stand-in'}",
        f"browser: {chromium or 'none, the pages are not used in one'}",
        f"proxy: {nginx or 'none, the documented login is not tried'}",
        f"small disks: {'mounted' if os.geteuid() == 0 else 'none without root'}",
    ]


@pytest.fixture(scope="session", autouse=True)
def _lent_models() -> Iterator[None]:
    """The pages of each worker find the models compiled that judge a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trying, "_compile", lend_models)
        yield


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; a test without one is skipped, and the report says so."""
    path = _find_chromium()
    if path is None:
        pytest.skip("no chromium is installed: the pages were not used in a browser")
    return path


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The sample installation on a morning with a held file."""
    with a_morning(tmp_path_factory.mktemp("morning")) as installed:
        yield installed


@pytest.fixture(scope="module")
def served(morning: Installed) -> Iterator[Served]:
    """The console of that morning, on that morning."""
    with pytest.MonkeyPatch.context() as patch, serve_pages(morning.home) as served, forked_loads():
        patch.setattr(today, "utc_now", lambda: MORNING)
        yield served


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser without scripts."""
    with open_browser(chromium) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window, which must have had nothing to complain about."""
    troubles: list[str] = []
    page = open_window(browser, troubles)
    yield page
    page.context.close()
    assert troubles == []


@pytest.fixture(scope="session")
def nginx() -> str:
    """Where nginx is; a test without it is skipped, and the report says so."""
    path = find_nginx()
    if path is None:
        pytest.skip("no nginx is installed: the documented login was not tried")
    return path


@pytest.fixture
def mount_small_disk() -> Iterator[Callable[..., None]]:
    """Mount a disk of some megabytes over a folder until the test ends, to see it get full.

    Only root may: elsewhere the test is skipped, and the report says so.
    """
    mounted: list[Path] = []

    def mount(folder: Path, megabytes: int) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        if (
            os.geteuid() != 0
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("only root may mount a small disk: full disks were not tried")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        unmount(folder)


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    folder = tmp_path_factory.mktemp("sftp")
    with serve(folder / "root", folder / "state") as server:
        yield server


@pytest.fixture
def make_organization(sftp_server: LoopbackServer) -> MakeOrganization:
    contracts = {each.organization_id: each for each in read_organizations(PROJECT / "seeds")}

    def make(organization_id: str = "lumina", **changes: Any) -> Organization:
        folder = f"{organization_id}_{uuid.uuid4().hex[:8]}"
        for name in ("inbox", "outbox"):
            (sftp_server.root / folder / name).mkdir(parents=True)
        return dataclasses.replace(
            contracts[organization_id],
            **{
                "sftp_host": HOST,
                "sftp_port": sftp_server.port,
                "sftp_username": sftp_server.username,
                "inbox_dir": f"{folder}/inbox",
                "outbox_dir": f"{folder}/outbox",
                "quiet_seconds": 0,
                **changes,
            },
        )

    return make


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(root=tmp_path / "home", seeds=PROJECT / "seeds")
    home.create()
    return home


def _find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)
