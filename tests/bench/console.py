"""What each page of the console takes, as a browser waits for it, and what is the least it could.

`python -m tests.bench.console HOME REPEATS` prints seconds by page as JSON; the first are those
to open the published copy and count its debts. Each page is asked once before it is measured.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import requests

from orchestration.delivery import published_copy
from orchestration.installation.home import PROJECT, Home
from orchestration.pages import report
from tests.orchestration.serving import serve_pages

LEAST = "open the copy and count its debts"
_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')

_NAMED = """
select debts.organization_id, debts.customer_id, debts.product_id, debts.debt_id, files.file_id
from debts
inner join intake_files as files on debts.version_file_id = files.file_id
limit 1
"""


def measure(home: Home, repeats: int) -> dict[str, list[float]]:
    """Seconds by page, for each repeat.

    Args:
        home: an installation with a published copy; its environment must be set.
        repeats: how often each page is asked.

    """
    with published_copy.reading(home) as connection:
        ((organization_id, customer_id, product_id, debt_id, file_id),) = connection.execute(
            _NAMED
        ).fetchall()
    paths = {
        "today": "/today",
        "organizations": "/organizations",
        "an organization": f"/organizations/{organization_id}",
        "find": "/find",
        "a debt": f"/debts/{debt_id}",
        "files": "/files",
        "a file": f"/files/{file_id}",
        "runs": "/runs",
        "customers": "/customers",
    }
    searches = {
        "find a customer": customer_id,
        "find a product": product_id,
        "find what is not there": "nothing-of-that-name",
    }
    seconds = {LEAST: list(_times(lambda: _count(home), repeats))}
    with serve_pages(home) as served, requests.Session() as browser:
        for name, path in paths.items():
            seconds[name] = list(_times(partial(_ask, browser, served.address + path), repeats))
        address = f"{served.address}/find"
        match = _FORM_TOKEN.search(browser.get(address).text)
        for name, text in searches.items():
            form = {"q": text, "form_token": match[1] if match else ""}
            seconds[name] = list(_times(partial(_ask, browser, address, form), repeats))
    seconds["the report of a day"] = list(_times(lambda: report.write(home, None), repeats))
    return seconds


def _ask(browser: requests.Session, address: str, form: Mapping[str, str] | None = None) -> None:
    """Open a page, or post a form and open what it leads to."""
    answer = browser.get(address) if form is None else browser.post(address, form)
    answer.raise_for_status()


def _count(home: Home) -> object:
    with published_copy.reading(home) as connection:
        return connection.execute("select count(*) from debts").fetchone()


def _times(act: Callable[[], object], repeats: int) -> Iterator[float]:
    act()
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        yield time.perf_counter() - started


if __name__ == "__main__":
    a_root = Path(sys.argv[1])
    a_home = Home(a_root, a_root / "seeds" if (a_root / "seeds").exists() else PROJECT / "seeds")
    os.environ.update(a_home.environment())
    print(json.dumps(measure(a_home, int(sys.argv[2]))))  # noqa: T201
