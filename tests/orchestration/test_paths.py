"""A home may be nearly anywhere: its path with a quote, blanks and letters that are not ASCII.

The two marks that it may not have are those of test_row_files.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openpyxl
import pytest
import requests

from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS
from orchestration.devtools.loopback_sftp import free_port, serve
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT
from tests.orchestration.clones import Clone
from tests.orchestration.installations import Installed

NAME = "it's a höme; 100% new"
# What the user interface shows of the first day, and whether the daemon beside it is at work.
SHOWN = """
{
  repositoriesOrError { ... on RepositoryConnection { nodes { name } } }
  assetOrError(assetKey: {path: ["debts"]}) {
    ... on Asset { assetMaterializations { partition } }
  }
  instance { daemonHealth { daemonStatus(daemonType: "SENSOR") { healthy } } }
}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The sample installation in such a home, after its first day."""
    root = tmp_path_factory.mktemp("paths")
    with serve(root / "server", root / "server_state") as server:
        home, environment = installation.make(root / NAME, server)
        installed = Installed(home, server.root, environment)
        installed.upload(DAYS[0])
        result = installed.command("run", "--date", DAYS[0].isoformat())
        assert result.returncode == 0, result.stdout + result.stderr
        yield installed


def test_a_run_fills_the_base_and_the_outbox(installed: Installed) -> None:
    rows = installed.query("select count(*) from debts where status = 'pending'")
    assert rows == [(254,)]
    assert sorted(path.parent.name for path in installed.home.outbox.rglob("*.csv")) == [
        "andes_seguros",
        "colegio_pehuen",
        "lumina",
    ]


def test_the_documentation_is_one_file_with_types_and_is_written_while_a_run_is_at_work(
    installed: Installed,
) -> None:
    scratch = set(installed.home.scratch.iterdir())
    with warehouse.connect(installed.home):
        result = installed.python("-m", "orchestration.devtools.documentation")
    written = installed.home.root / "docs" / "static_index.html"
    assert (result.returncode, result.stdout) == (0, f"{written}\n"), result.stderr
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    assert set(installed.home.scratch.iterdir()) == scratch
    page = written.read_text(encoding="utf-8")
    assert "Data walks one way" in page
    assert {"exposure.saldo.payments_file", "exposure.saldo.analytics_copy"} <= set(
        re.findall(r"exposure\.saldo\.\w+", page)
    )
    assert _type_of(page, "due_date") == "DATE"
    assert _type_of(page, "amount") == "DECIMAL(18,4)"
    assert str(Path.home()) not in page


def _type_of(page: str, column: str) -> str:
    """The type of a column of the debts, in the catalog that the page holds."""
    catalog = page[page.index('"model.saldo.debts": {"metadata"') :]
    found = re.search(rf'"{column}": {{"type": "([^"]+)"', catalog)
    assert found is not None
    return found[1]


def test_a_workbook_is_previewed_and_loaded(installed: Installed) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["rut", "nombre"])
    workbook.active.append(["12345678-5", "Ana"])
    path = installed.home.root / "clientes de marzo.xlsx"
    workbook.save(path)
    result = installed.command("upload-customers", "lumina", str(path))
    assert result.returncode == 0, result.stdout + result.stderr
    script = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from orchestration.pages import previews
from orchestration.contracts.organizations import read_column_aliases, read_contracts
from orchestration.installation.home import Home
home = Home.from_environment()
aliases = read_column_aliases(home.seeds)
lumina = read_contracts(home.seeds)[0]
made = previews.make_preview(home, lumina, aliases, Path(sys.argv[1]), datetime.now(UTC))
print(made.unchanged_count)
"""
    result = installed.python("-c", script, str(path))
    assert result.stdout == "1\n", result.stderr


def test_the_landing_area_is_replayed(installed: Installed) -> None:
    result = installed.command("replay")
    assert result.returncode == 0, result.stdout + result.stderr
    assert installed.query("select count(*) from debts where status = 'pending'") == [(254,)]


def test_make_sql_opens_the_published_copy(installed: Installed) -> None:
    result = subprocess.run(
        ["make", "--silent", "--old-file=.venv/ready", "sql"],
        cwd=PROJECT,
        env={**os.environ, "SALDO_HOME": str(installed.home.root)},
        input=".mode list\nselect count(*) as debts from debts where status = 'pending';\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "debts\n254\n"), result.stderr


def test_make_pages_serves_the_pages_and_previews_a_workbook(installed: Installed) -> None:
    workbook = installed.home.root / "clientes de abril.xlsx"
    sheet = openpyxl.Workbook()
    sheet.active.append(["rut", "nombre"])
    sheet.active.append(["11111111-1", "Eva"])
    sheet.save(workbook)
    with _made(installed, "pages", "SALDO_PAGES_PORT") as address, requests.Session() as browser:
        page = browser.get(f"{address}/customers")
        assert page.status_code == 200
        (token,) = re.findall(r'name="form_token" value="([^"]+)"', page.text)
        preview = browser.post(
            f"{address}/customers",
            data={"organization_id": "lumina", "form_token": token},
            files={"workbook": (workbook.name, workbook.read_bytes())},
            headers={"Origin": address},
        )
        assert preview.status_code == 200, preview.text
        assert "Vista previa de clientes de abril.xlsx" in preview.text
        assert "Eva" in preview.text


def test_make_dev_serves_the_user_interface_with_its_daemon(installed: Installed) -> None:
    with _made(installed, "dev", "SALDO_UI_PORT") as address:
        while True:
            answer = requests.post(
                f"{address}/graphql", json={"query": SHOWN}, headers={"Origin": address}
            )
            shown = answer.json()["data"]
            assert shown["repositoriesOrError"]["nodes"] == [{"name": "__repository__"}]
            assert {"partition": DAYS[0].isoformat()} in shown["assetOrError"][
                "assetMaterializations"
            ]
            if shown["instance"]["daemonHealth"]["daemonStatus"]["healthy"]:
                break
            time.sleep(0.5)


@contextmanager
def _made(installed: Installed, target: str, port_variable: str) -> Iterator[str]:
    """What `make TARGET` serves in that home until the block ends: its address."""
    port = free_port()
    home = Clone(
        PROJECT,
        installed.server_root.parent / f"{target}.log",
        {**os.environ, **installed.environment, port_variable: str(port)},
    )
    with home.running(f"make --silent --old-file=.venv/ready {target}") as process:
        address = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None, home.log.read_text()
            try:
                requests.get(address)
            except requests.ConnectionError:
                time.sleep(0.2)
            else:
                break
        yield address
