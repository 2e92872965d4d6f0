"""A home may be anywhere: its path with a quote, blanks and letters that are not ASCII."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import openpyxl
import pytest

from orchestration.demo import installation
from orchestration.demo.samples import DAYS
from orchestration.home import PROJECT
from orchestration.loopback_sftp import serve
from tests.orchestration.installations import Installed

NAME = "it's a höme, 100% new"


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


def test_the_documentation_is_written(installed: Installed) -> None:
    result = installed.python("-m", "orchestration.documentation")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (installed.home.root / "docs" / "static_index.html").stat().st_size > 0


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
from orchestration import previews
from orchestration.contracts import read_column_aliases, read_contracts
from orchestration.home import Home
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
