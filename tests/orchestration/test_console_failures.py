"""What the console says when this machine fails, and which workbooks it forgets."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest
import requests

from orchestration.installation.home import PROJECT, Home
from orchestration.pages import customers
from orchestration.pages.app import create_app
from orchestration.pages.guards import HEADERS, OriginError
from tests.orchestration.serving import Served, serve_pages

FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
TOKEN = "t" * 43
FAILED = (
    "This page could not be made. Try again; if it fails again, the output of"
    " `python -m orchestration pages` says why."
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The console of a new installation."""
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    with serve_pages(home) as served:
        yield served


@pytest.mark.parametrize(
    ("error", "title", "told"),
    [
        (OSError(errno.ENOSPC, "No space left"), "The disk is full", "MB are free"),
        (
            duckdb.IOException("Could not write file: No space left on device"),
            "The disk is full",
            "MB are free",
        ),
        (OriginError("SALDO_UI_ORIGINS: no origin"), "That did not work", "no origin"),
        (OSError(errno.EIO, "Input/output error"), "That did not work", FAILED),
        (subprocess.CalledProcessError(2, ["dbt"]), "That did not work", FAILED),
        (KeyError("amount"), "That did not work", FAILED),
    ],
)
def test_what_fails_is_told_on_a_page(
    served: Served, error: Exception, title: str, told: str
) -> None:
    with patch.object(customers.trying, "prepare", side_effect=error):
        answer = requests.get(f"{served.address}/customers?language=en")
    assert answer.status_code == 500
    assert f"<h1>{title}</h1>" in answer.text
    assert told in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def _keep(home: Home, seconds_ago: int) -> Path:
    """A preview that nobody has confirmed."""
    folder = home.scratch / "previews" / TOKEN
    folder.mkdir(parents=True)
    (folder / "workbook.xlsx").write_bytes(b"a workbook")
    kept = {"organization_id": "lumina", "file_name": "clientes.xlsx", "preview": {}}
    (folder / "preview.json").write_text(json.dumps(kept))
    then = time.time() - seconds_ago
    os.utime(folder, (then, then))
    return folder


@pytest.mark.parametrize(
    ("path", "status"), [("", 200), (f"/previews/{TOKEN}", 404), (f"/uploads/{'a' * 16}", 404)]
)
def test_each_page_of_customers_forgets_a_preview_of_an_hour_ago(
    served: Served, path: str, status: int
) -> None:
    folder = _keep(served.home, 3700)
    answer = requests.get(f"{served.address}/customers{path}")
    assert answer.status_code == status
    assert not folder.exists()


@pytest.mark.parametrize(("seconds_ago", "status"), [(3700, 404), (3500, 303)])
def test_a_preview_can_be_confirmed_for_an_hour(
    served: Served, seconds_ago: int, status: int
) -> None:
    browser = requests.Session()
    match = FORM_TOKEN.search(browser.get(f"{served.address}/customers").text)
    assert match is not None
    _keep(served.home, seconds_ago)
    with patch("orchestration.pages.loader.Loader.start"):
        answer = browser.post(
            f"{served.address}/customers/previews/{TOKEN}",
            data={"form_token": match[1]},
            allow_redirects=False,
        )
    assert answer.status_code == status
    assert len(served.waiting()) == (status == 303)


def test_pages_that_are_started_forget_what_the_former_ones_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    folder = _keep(home, 3700)
    create_app(home)
    assert not folder.exists()
