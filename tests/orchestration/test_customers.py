"""Customers from a workbook to the marts, by the command that operators use (R26, R27).

One story over several runs, each in a process of its own: debts and enrollments come first, then
uploads. What is expected is written down here from the story.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import locking, warehouse
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.building import run_dbt
from tests.orchestration.installations import Installed, install
from tests.orchestration.starting import lend_parse

# The first four owe to Lumina, two of them have a payment in process or have paid.
JOSE, BEGONA, CAMILA, ELIAS = "19153032-2", "24830060-4", "18441919-K", "24041903-3"
ANA, EVA, LUZ = "12345678-5", "11111111-1", "6-K"
FIRST = [
    ["RUT", "Nombre", "Correo", "Zona"],
    ["19.153.032-2", "José Pérez", "jose@correo.cl", "Norte"],
    [248300604, "Begoña Ibáñez", "begona@CORREO.cl", None],
    ["18441919\u2013k", "Camila Rojas", "sin arroba", None],
    ["024.041.903-3", "Elías Soto", None, None],
    ["12.345.678-5", "Anna Muñoz", "anna@correo.cl", None],
    ["12345678-5", "Ana Muñoz", "ana@correo.cl", None],
    ["1-9", "Uno", None, None],
    ["2-7", "Dos", None, None],
    ["3-5", "Tres", None, None],
    ["11.111.111-2", "Sin Dígito", "digito@correo.cl", None],
]
SECOND = [
    ["rut cliente", "correo electrónico", "nombre completo"],
    ["19153032-2", None, "José Pérez Soto"],
    ["24041903-3", "elias@correo.cl", "Elías Soto"],
    ["11.111.111-1", "eva@correo.cl", "Eva Araya"],
]
PRIVATE = ("correo.cl", "CORREO.cl", "sin arroba", "19153032", "19.153.032", "12345678-5")
TABLES = ("customers", "customers_history", "enrollments", "campaign_contacts", "customer_accounts")


class Customers(Installed):
    """The sample installation between two uploads."""

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every published row that this story is about."""
        return {table: self.query(f"select * from {table} order by all") for table in TABLES}


def _save(path: Path, rows: Sequence[Sequence[Any]]) -> str:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    workbook.save(path)
    return str(path)


def _enrollment(number: int, customer_id: str, status: str, day: int = 1) -> str:
    return json.dumps(
        {
            "kind": "enrollment",
            "event_id": f"enr-{number}-{status}",
            "occurred_at": f"2026-03-0{day}T10:00:00-03:00",
            "organization_id": "lumina",
            "payment_method_id": f"method-{number}",
            "customer_id": customer_id,
            "products": ["LUZ-001"],
            "type": "pac",
            "status": status,
        }
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customers]:
    root = tmp_path_factory.mktemp("customers")
    with install(root, Customers) as installed:
        yield installed


@pytest.fixture(scope="module")
def with_debts(installed: Customers) -> Customers:
    """Lumina's debts, and enrollments of people whom nobody has created yet."""
    installed.upload(DAYS[0])
    lines = [
        _enrollment(1, "19.153.032-2", "active"),
        _enrollment(2, EVA, "vigente"),
        _enrollment(3, ELIAS, "active"),
        _enrollment(3, ELIAS, "cancelled", day=2),
        _enrollment(4, ANA, "asleep"),
        '{"kind": "enrollment", "customer_id": "19153032-2"}',
    ]
    path = installed.home.events / "methods.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = installed.command("run", "--date", DAYS[0].isoformat())
    # a line of the events is refused
    assert result.returncode == 1, result.stdout + result.stderr
    return installed


@pytest.fixture(scope="module")
def first_upload(
    with_debts: Customers, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Customers, subprocess.CompletedProcess[str]]:
    path = tmp_path_factory.mktemp("workbooks") / "clientes de marzo.xlsx"
    return with_debts, with_debts.command("upload-customers", "lumina", _save(path, FIRST))


@pytest.fixture(scope="module")
def second_upload(
    first_upload: tuple[Customers, Any], tmp_path_factory: pytest.TempPathFactory
) -> Customers:
    path = tmp_path_factory.mktemp("workbooks") / "abril.xlsx"
    result = first_upload[0].command("upload-customers", "lumina", _save(path, SECOND))
    assert result.returncode == 0, result.stdout + result.stderr
    return first_upload[0]


def test_enrollments_wait_for_customers_whom_nobody_has_created(with_debts: Customers) -> None:
    assert with_debts.query(
        "select payment_method_id, customer_id, type, products, method_status, status, code,"
        " accepted_at from enrollments order by all"
    ) == [
        ("method-1", JOSE, "pac", '["LUZ-001"]', "active", "waiting", "unknown_customer", None),
        ("method-2", EVA, "pac", '["LUZ-001"]', "active", "waiting", "unknown_customer", None),
        ("method-3", ELIAS, "pac", '["LUZ-001"]', "inactive", "waiting", "unknown_customer", None),
        ("method-4", ANA, "pac", '["LUZ-001"]', None, "waiting", "unknown_status", None),
    ]
    assert with_debts.query("select * from campaign_contacts") == []
    with warehouse.reading(with_debts.home) as connection:
        assert connection.execute(
            "select source_file, line_number, code from raw.payment_event_refusals"
        ).fetchall() == [("methods.jsonl", 6, "missing_event_id")]


def test_an_upload_creates_customers_and_says_which_rows_it_refused(
    first_upload: tuple[Customers, subprocess.CompletedProcess[str]],
) -> None:
    installed, result = first_upload
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "lumina clientes de marzo.xlsx: applied; customers: 8 new, 0 changed, 0 unchanged;"
        " rows refused: 2\n"
        "  row 6: duplicate_customer: Otra fila posterior del archivo trae al mismo cliente; vale"
        " la última.\n"
        "  row 11: invalid_rut: El RUT no es válido: revise el número y el dígito verificador.\n"
    )
    assert installed.query(
        "select organization_id, customer_id, name, mail, mail_status, attributes,"
        " first_file_id = last_file_id, created_at = updated_at, created_at = last_uploaded_at"
        " from customers order by length(customer_id) desc, customer_id"
    ) == [
        ("lumina", *row, True, True, True)
        for row in [
            (ANA, "Ana Muñoz", "ana@correo.cl", "usable", None),
            (CAMILA, "Camila Rojas", "sin arroba", "invalid", None),
            (JOSE, "José Pérez", "jose@correo.cl", "usable", '{"Zona":"Norte"}'),
            (ELIAS, "Elías Soto", None, "missing", None),
            (BEGONA, "Begoña Ibáñez", "begona@correo.cl", "usable", None),
            ("1-9", "Uno", None, "missing", None),
            ("2-7", "Dos", None, "missing", None),
            ("3-5", "Tres", None, "missing", None),
        ]
    ]
    assert installed.query(
        "select file_name, status, code, record_count, accepted_count, rejected_count, new_count,"
        " changed_count, unchanged_count, withdrawn_count from intake_files"
        " where kind = 'customers'"
    ) == [("clientes de marzo.xlsx", "applied", None, 10, 8, 2, 8, 0, 0, 0)]
    # The upload looked into no inbox and told nobody anything.
    assert installed.query("select distinct business_date from payments_file_lines") == [(DAYS[0],)]


def test_who_enrolled_before_is_accepted_once_created_and_campaigns_go_to_the_others(
    first_upload: tuple[Customers, Any],
) -> None:
    installed, _ = first_upload
    assert installed.query(
        "select payment_method_id, method_status, status, code,"
        " accepted_at = (select max(created_at) from customers)"
        " from enrollments order by all"
    ) == [
        ("method-1", "active", "accepted", None, True),
        ("method-2", "active", "waiting", "unknown_customer", None),
        ("method-3", "inactive", "accepted", None, True),
        ("method-4", None, "waiting", "unknown_status", None),
    ]
    assert installed.query("select customer_id, mail from campaign_contacts order by all") == [
        (ANA, "ana@correo.cl"),
        (BEGONA, "begona@correo.cl"),
    ]


def test_debts_and_customers_meet_in_the_accounts(first_upload: tuple[Customers, Any]) -> None:
    installed, _ = first_upload
    accounts = installed.query(
        f"""
        select
            customer_id, name, pending_count, in_process_count, in_process_amount, is_created,
            is_owing, is_enrolled, is_reachable, is_campaign_contact
        from customer_accounts
        where organization_id = 'lumina' and customer_id in
            ('{ANA}', '{JOSE}', '{BEGONA}', '{CAMILA}', '{ELIAS}', '{EVA}')
        order by customer_id
        """
    )
    assert [(*row[:4], int(row[4]), *row[5:]) for row in accounts] == [
        (EVA, None, 0, 0, 0, False, False, False, False, False),
        (ANA, "Ana Muñoz", 0, 0, 0, True, False, False, True, True),
        (CAMILA, "Camila Rojas", 0, 1, 71400, True, True, False, False, False),
        (JOSE, "José Pérez", 0, 1, 31400, True, True, True, True, False),
        (ELIAS, "Elías Soto", 0, 0, 0, True, False, False, False, False),
        (BEGONA, "Begoña Ibáñez", 0, 1, 80500, True, True, False, True, True),
    ]
    assert installed.query(
        "select sum(pending_count) = 116, sum(in_process_count) = 3,"
        " count(*) filter (is_owing and not is_created) = 116"
        " from customer_accounts where organization_id = 'lumina'"
    ) == [(True, True, True)]


def test_the_same_bytes_again_change_nothing(
    first_upload: tuple[Customers, Any], tmp_path: Path
) -> None:
    installed, _ = first_upload
    before = installed.tables()
    landed = installed.query("select sha256 from intake_files where kind = 'customers'")[0][0]
    copy = tmp_path / "otra vez.xlsx"
    shutil.copyfile(installed.home.landing / "lumina" / landed, copy)
    result = installed.command("upload-customers", "lumina", str(copy))
    assert (result.returncode, result.stdout) == (
        0,
        "lumina otra vez.xlsx: duplicate (El archivo es idéntico al recibido antes.);"
        " customers: 0 new, 0 changed, 0 unchanged; rows refused: 2\n"
        "  row 6: duplicate_customer: Otra fila posterior del archivo trae al mismo cliente; vale"
        " la última.\n"
        "  row 11: invalid_rut: El RUT no es válido: revise el número y el dígito verificador.\n",
    )
    assert installed.tables() == before


def test_a_later_upload_updates_and_takes_nothing_away(second_upload: Customers) -> None:
    assert second_upload.query(
        f"""
        select
            customer_id, name, mail, attributes, first_file_id = last_file_id,
            created_at = updated_at
        from customers
        where customer_id in ('{JOSE}', '{ELIAS}', '{EVA}', '{ANA}')
        order by customer_id
        """
    ) == [
        (EVA, "Eva Araya", "eva@correo.cl", None, True, True),
        (ANA, "Ana Muñoz", "ana@correo.cl", None, True, True),
        (JOSE, "José Pérez Soto", "jose@correo.cl", None, False, False),
        (ELIAS, "Elías Soto", "elias@correo.cl", None, False, False),
    ]
    assert second_upload.query("select count(*) from customers") == [(9,)]
    assert second_upload.query(
        f"""
        select customer_id, name, mail, dbt_valid_to is null
        from customers_history
        where customer_id in ('{JOSE}', '{ELIAS}', '{ANA}')
        order by customer_id, dbt_valid_from
        """
    ) == [
        (ANA, "Ana Muñoz", "ana@correo.cl", True),
        (JOSE, "José Pérez", "jose@correo.cl", False),
        (JOSE, "José Pérez Soto", "jose@correo.cl", True),
        (ELIAS, "Elías Soto", None, False),
        (ELIAS, "Elías Soto", "elias@correo.cl", True),
    ]
    assert second_upload.query(
        "select payment_method_id, status from enrollments order by all"
    ) == [
        ("method-1", "accepted"),
        ("method-2", "accepted"),
        ("method-3", "accepted"),
        ("method-4", "waiting"),
    ]
    # Eva is enrolled, José too; Elías has cancelled his method and has a mail now.
    assert second_upload.query("select customer_id from campaign_contacts order by all") == [
        (ANA,),
        (ELIAS,),
        (BEGONA,),
    ]


def test_a_full_refresh_a_replay_and_the_accounts_once_more_give_the_same_rows(
    second_upload: Customers, tmp_path: Path
) -> None:
    published = second_upload.tables()
    copy = Home(tmp_path / "replayed", second_upload.home.seeds)
    copy.create()
    lend_parse(copy)
    for folder in ("landing", "events"):
        shutil.copytree(second_upload.home.root / folder, copy.root / folder, dirs_exist_ok=True)
    replayed = Customers(
        copy, second_upload.server_root, {**second_upload.environment, **copy.environment()}
    )
    result = replayed.command("load-uploads")
    assert result.returncode == 0, result.stdout + result.stderr
    assert replayed.tables() == published
    run_dbt(copy, "run", "--quiet", "--select", "customer_accounts")
    _assert_same_tables(copy, published)
    refreshed = ("customers", "enrollments", "customer_accounts")
    run_dbt(copy, "run", "--quiet", "--full-refresh", "--select", *refreshed)
    _assert_same_tables(copy, published)


def _assert_same_tables(home: Home, expected: dict[str, list[tuple[Any, ...]]]) -> None:
    with warehouse.reading(home) as connection:
        for table in TABLES:
            rows = connection.execute(f"select * from {table} order by all").fetchall()
            assert rows == expected[table], table


def test_no_mail_and_no_rut_is_in_a_log_or_in_what_dagster_keeps(second_upload: Customers) -> None:
    root = second_upload.home.root
    looked_at = [
        path
        for folder in ("logs", "dagster")
        for path in (root / folder).rglob("*")
        if path.is_file()
    ]
    assert {"2026-03-02.log", "event_log.db", "runs.db"} <= {path.name for path in looked_at}
    for path in looked_at:
        content = path.read_bytes()
        for text in PRIVATE:
            assert text.encode() not in content, f"{path} tells of a customer"


def test_a_workbook_with_too_many_refused_rows_changes_nothing(second_upload: Customers) -> None:
    before = second_upload.tables()
    fixture = PROJECT / "tests" / "fixtures" / "customers_libreoffice.xlsx"
    result = second_upload.command("upload-customers", "lumina", str(fixture))
    assert result.returncode == 1
    assert result.stdout.startswith(
        "lumina customers_libreoffice.xlsx: refused (Se rechazaron más filas que las permitidas.);"
    )
    assert [line.split(":")[:2] for line in result.stdout.splitlines()[1:]] == [
        ["  row 8", " cell_error"],
        ["  row 9", " date_as_customer_id"],
        ["  row 13", " missing_name"],
    ]
    assert second_upload.tables() == before


def test_each_of_two_uploads_is_told_by_its_own_command_whichever_loads_both(
    second_upload: Customers, tmp_path: Path
) -> None:
    home = second_upload.home
    good = _save(tmp_path / "buenos.xlsx", [["RUT", "Nombre"], [LUZ, "Luz Soto"]])
    bad = _save(tmp_path / "malos.xlsx", [["Nombre"], ["Nadie"]])

    def upload(path: str) -> subprocess.CompletedProcess[str]:
        return second_upload.python("-m", "orchestration", "upload-customers", "lumina", path)

    with ThreadPoolExecutor() as commands:
        with locking.exclusive(home):
            told = [commands.submit(upload, path) for path in (good, bad)]
            deadline = time.monotonic() + 120
            while len(list(home.uploads.glob("lumina/[!.]*"))) < len(told):
                assert time.monotonic() < deadline, "the workbooks were not handed over"
                time.sleep(0.1)
        accepted, refused = (each.result() for each in told)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert "lumina buenos.xlsx: applied; customers: 1 new" in accepted.stdout
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "lumina malos.xlsx: refused (" in refused.stdout


def test_wrong_use_is_told_apart(installed: Customers, tmp_path: Path) -> None:
    path = _save(tmp_path / "w.xlsx", FIRST)
    result = installed.command("upload-customers", "nobody", path)
    assert result.returncode == 2
    assert result.stderr == (
        "saldo: no organization 'nobody'; those with a contract: lumina, andes_seguros,"
        " colegio_pehuen\n"
    )
    assert installed.command("upload-customers", "lumina", "missing.xlsx").returncode == 2
    assert list(installed.home.uploads.glob("*/[!.]*")) == []
