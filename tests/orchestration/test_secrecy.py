"""No secret, mail or RUT in logs, run metadata, asset keys, error messages and alerts (R30).

A day of an installation in which everything goes wrong that can carry such a thing into a message,
with marks in all of them. Then everything that is not data is searched for the marks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestration.devtools.demo.samples import DAYS
from tests.orchestration.installations import Installed, install

MAIL = "marcada.rojas@correo-marcado.cl"
RUTS = ("18.273.645-7", "18273645", "9182736", "9.182.736-0")
PASSWORD = "contraseña-marcada"
NAME = "Nombre-Marcado"
MARKS = (MAIL, *RUTS, PASSWORD, NAME)
# Data itself: what is landed, loaded, published and sent; and the contracts' folder of secrets.
DATA = {"landing", "events", "outbox", "server", "server_state", "warehouse.duckdb"}
DATA |= {"analytics.duckdb", "marts.duckdb", "marts.duckdb.wal", "warehouse.duckdb.wal", "seeds"}
ROWS = f"""rut,producto,fecha_vencimiento,monto,nombre,email
18.273.645-7,LUZ-1,2026-03-20,1000,{NAME},{MAIL}
9182736-0,LUZ-2,2026-03-20,no es un monto,{NAME},{MAIL}
18273645-0,{MAIL},2026-03-20,1000,{NAME},{MAIL}
9.182.736-0,LUZ-3,no es una fecha,1000,{NAME},{MAIL}
18273645-7,LUZ-4,2026-03-20,99999999999999999999,{NAME},{MAIL}
"""
UNREADABLE = f'rut,producto,fecha_vencimiento,monto\n18.273.645-7,"{MAIL},2026-03-20,1000\n'
EVENTS = f"""\
{{"event_id": "1", "customer_id": "18273645-7", "reason": "{MAIL}"}}
18273645-7 {MAIL} is not JSON
{{"event_id": "2", "occurred_at": "2026-03-01T10:00:00-03:00", "organization_id": "lumina", \
"payment_id": "p", "customer_id": "18273645-7", "product_id": "{MAIL}", "due_date": "2026-03-20", \
"amount": 1000, "currency": "CLP", "channel": "{NAME}", "status": "{MAIL}", "reason": "{NAME}"}}
"""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("secrecy")
    with install(root, Installed) as site:
        inbox = site.server_root / "lumina" / "inbox"
        (inbox / f"{DAYS[0]}_toku_invoices.csv").write_text(ROWS)
        inbox = site.server_root / "colegio_pehuen" / "inbox"
        (inbox / f"{DAYS[0]}_toku_invoices.csv").write_text(UNREADABLE)
        (site.home.events / "marked.jsonl").write_text(EVENTS)
        site.environment.pop("SFTP_PRIVATE_KEY_FILE_ANDES_SEGUROS", None)
        result = site.command(
            "run",
            "--date",
            DAYS[0].isoformat(),
            SFTP_PASSWORD_ANDES_SEGUROS=PASSWORD,
            SALDO_ALERT_COMMAND=f"tee {site.home.root / 'alert.json'}",
        )
    assert result.returncode == 1, result.stdout + result.stderr
    return site.home.root, result.stdout + result.stderr


def test_everything_went_wrong(day) -> None:
    _, said = day
    assert "login_refused" in said
    assert "refused" in said
    assert re.search(r"lumina +(refused|applied)", said)


def test_no_mark_is_in_what_the_command_says(day) -> None:
    _, said = day
    assert [mark for mark in MARKS if mark in said] == []


def test_no_mark_is_in_any_file_that_is_not_data(day) -> None:
    root, _ = day
    paths = [
        path
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in DATA
    ]
    found = {
        (str(path.relative_to(root)), mark)
        for path in paths
        for mark in MARKS
        if mark.encode() in path.read_bytes()
    }
    assert found == set()
    searched = {path.relative_to(root).parts[0] for path in paths}
    assert {"alert.json", "dagster", "logs", "target"} <= searched


def test_the_search_finds_a_mark_where_there_is_one(day) -> None:
    root, _ = day
    landed = [path.read_bytes() for path in (root / "landing" / "lumina").iterdir()]
    assert any(MAIL.encode() in content for content in landed)
