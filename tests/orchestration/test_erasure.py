"""A person is erased on request, and the balance still balances (R9, R10, R29, R30).

Three days of the sample organizations, in which Marta owes Lumina, pays, is uploaded as a customer
and enrols; her rows are right and wrong, in files that can be read and that cannot. Then she is
erased. On the next day two customers of Colegio Pehuén are, by a command that is killed at every
step.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from click.testing import CliRunner

from orchestration.__main__ import main
from orchestration.contracts.organizations import read_organizations
from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import (
    DAYS,
    andes_seguros_debts,
    colegio_pehuen_debts,
    files_of,
    lumina_debts,
)
from orchestration.devtools.loopback_sftp import serve
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.intake import arriving, loading, uploads
from orchestration.landing import event_files, manifests
from orchestration.servers.remote_files import RemoteFile
from tests.orchestration.erasing import STEPS
from tests.orchestration.forking import run_module
from tests.orchestration.oracle import check_digit, text_of_rut
from tests.orchestration.starting import copy_home, lend_parse

MONDAY, TUESDAY, WEDNESDAY = DAYS
THURSDAY = WEDNESDAY + timedelta(days=1)
BODY = 16847293
MARTA = text_of_rut(BODY)
DOTTED = f"16.847.293-{check_digit(BODY)}"
WRONG_DIGIT = f"{BODY}-{'0' if check_digit(BODY) != '0' else '1'}"
DASHED = DOTTED.replace("-", "\u2013")
WORDS = (str(BODY), DOTTED[:-2], "Marta", "marta", "Marcada", "Marcela", "marcada")
# The two customers of Colegio Pehuén, who have a row in its workbook as well.
PUPILS = ("AL-0001", "AL-0002")
WORDS_OF_PUPILS = (*PUPILS, "Reservada", "reservada")
ANDES, PEHUEN = andes_seguros_debts(), colegio_pehuen_debts()
# Somebody of whom only a payment is known, in process; and one whose payment came too late.
PAYING, LATE = text_of_rut(9182736), text_of_rut(9281736)
# What is the person's in the rows that analysts read, and what is made of it.
OF_THE_PERSON = {
    "customer_id", "name", "mail", "mail_status", "attributes", "reason", "debt_id", "payment_key",
    "customer_key", "enrollment_key", "exception_id", "dbt_scd_id", "customer_id_text",
    "due_date_text", "amount_text", "is_reachable",
}  # fmt: skip
# What a delivery changes: an erasure replays the loads, and sends what is still due.
OF_DELIVERIES = {
    "attempt_count", "last_attempted_at", "delivered_at", "outcome", "detail", "batch_id",
    "is_delivered", "is_in_doubt", "is_due", "is_undelivered", "delivered_file_count",
    "undelivered_file_count", "payments_file_delivered_at",
}  # fmt: skip
Rows = list[dict[str, Any]]


@dataclass
class Site:
    """An installation between two commands, with its server's folders."""

    home: Home
    server_root: Path
    environment: dict[str, str]
    said: list[str] = field(default_factory=list)

    def says(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`python -m orchestration ARGUMENTS`."""
        return self._run("orchestration", *arguments, **environment)

    def dies(self, step: str, *arguments: str) -> int:
        """The exit status of an erasure that is killed at a step."""
        return self._run("tests.orchestration.erasing", step, *arguments).returncode

    def _run(
        self, module: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, **self.environment, "COLUMNS": "120", **environment}
        result = run_module(module, arguments, variables)
        self.said.append(result.stdout + result.stderr)
        return result

    def query(self, sql: str) -> Rows:
        """Ask the published copy."""
        with duckdb.connect(str(self.home.analytics), read_only=True) as connection:
            return _fetch(connection, sql)

    def tables(self) -> dict[str, Rows]:
        """Every table of the published copy but the time of publishing."""
        with duckdb.connect(str(self.home.analytics), read_only=True) as connection:
            names = [row["name"] for row in _fetch(connection, "show tables")]
            return {
                name: _fetch(connection, f"from {name}") for name in names if name != "published_at"
            }

    def sent(self) -> dict[str, bytes]:
        """What organizations find in their outboxes."""
        paths = sorted(self.server_root.glob("*/outbox/*"))
        return {str(path.relative_to(self.server_root)): path.read_bytes() for path in paths}

    def contents(self) -> dict[str, str]:
        """Every file of the home but logs and caches, by the hash of its bytes."""
        passed_over = {"logs", "target", "tmp", "project", "dagster", "run.lock"}
        return {
            str(path.relative_to(self.home.root)): sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.home.root.rglob("*"))
            if path.is_file() and not passed_over & set(path.relative_to(self.home.root).parts)
        }

    def copy(self, root: Path) -> Site:
        """The same installation once more, on the same server."""
        home = copy_home(self.home, root)
        return Site(home, self.server_root, {**self.environment, **home.environment()})


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _event(number: int, day: date, customer_id: str, product: str, status: str, **more: str) -> str:
    return json.dumps(
        {
            "event_id": f"evt-9{number}-{status}",
            "occurred_at": f"{day - timedelta(days=1)}T20:00:00-03:00",
            "organization_id": "lumina",
            "payment_id": f"pay-9{number}",
            "customer_id": customer_id,
            "product_id": product,
            "due_date": "2026-03-20",
            "amount": 15000,
            "currency": "CLP",
            "channel": "pac",
            "status": status,
            **more,
        },
        ensure_ascii=False,
    )


EVENTS = {
    MONDAY: [
        _event(1, MONDAY, DOTTED, "LUZ-900", "in_process", payer="Marta Marcada"),
        f'{{"event_id": "1", "customer_id": "{MARTA}", "organization_id": "lumina"}}',
        f"Marta {MARTA} is not JSON",
        json.dumps(
            {
                "kind": "enrollment",
                "event_id": "enr-1",
                "occurred_at": "2026-03-01T10:00:00-03:00",
                "organization_id": "lumina",
                "payment_method_id": "method-1",
                "customer_id": MARTA,
                "holder": "Marta Marcada",
                "products": ["LUZ-900"],
                "type": "pac",
                "status": "active",
            }
        ),
    ],
    TUESDAY: [
        _event(1, TUESDAY, MARTA, "LUZ-900", "authorized", reason="Marta pagó"),
        # as people type it: nobody's debt, and a payment all the same
        _event(2, TUESDAY, DASHED, "LUZ-901", "rejected"),
    ],
    WEDNESDAY: [
        _event(3, WEDNESDAY, PAYING, "LUZ-990", "in_process"),
        # published under the id as it is misspelled, on a day on which nothing else of hers is
        _event(7, WEDNESDAY, WRONG_DIGIT, "LUZ-907", "authorized"),
    ],
}
MARTAS_ROWS = {
    MONDAY: [
        [f"0{DOTTED}", "LUZ-900", "2026-03-20", "15000", "", 'Marta "La" Marcada', "Ñuñoa"],
        [MARTA.replace("-", ""), "LUZ-901", "2026-03-20", "7000", "", "Marta Marcada", "Ñuñoa"],
        [DASHED, "LUZ-902", "2026-03-20", "1", "", "Marta Marcada", "Ñuñoa"],
        [WRONG_DIGIT, "LUZ-903", "2026-03-20", "1", "", "Marta Marcada", "Ñuñoa"],
        [MARTA, "LUZ-904", "Marta", "1", "", "Marta\nMarcada", "Ñuñoa"],
        [MARTA, "LUZ-905", "2026-03-20", "Marta", "", "Marta Marcada", "Marta" * 60],
        [MARTA, "LUZ-906", "2026-03-20", "1", "", "Marta Marcada", "Marta" * 60],
    ],
    TUESDAY: [[MARTA, "LUZ-900", "2026-03-20", "15000", "", "Marta Marcada", "Maipú"]],
    WEDNESDAY: [],
}


def _leave(home: Home, server_root: Path, day: date) -> None:
    """Leave the sample files and events of a day, with Marta in them."""
    installation.upload(home, server_root, day)
    for file in files_of(day):
        if file.organization_id == "lumina":
            rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))
            rows[3:3] = MARTAS_ROWS[day]
            mails = ["email", *(f"{row[5].split()[0].lower()}@marcada.cl" for row in rows[1:])]
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\r\n").writerows(
                [[*row, mail] for row, mail in zip(rows, _only_martas(mails), strict=True)]
            )
            path = server_root / "lumina" / "inbox" / file.name
            path.write_bytes(text.getvalue().encode("utf-8-sig"))
    with (home.events / f"{day}.jsonl").open("a", encoding="utf-8") as events:
        events.write("".join(f"{line}\n" for line in EVENTS[day]))


def _only_martas(mails: list[str]) -> list[str]:
    return [mail if mail in ("email", "marta@marcada.cl") else "" for mail in mails]


def _save_pupils(path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["ID cliente", "Nombre", "Correo", "Curso"])
    # Without a mail, to which a campaign would be sent until they are erased.
    for pupil in PUPILS:
        sheet.append([pupil, "Ana Reservada", "", "1° reservada"])
    sheet.append(["AL-0003", "Eva", "eva@b.cl", "1° básico"])
    workbook.create_sheet("Notas").append(["Ana Reservada", PUPILS[0]])
    workbook.save(path)


def _save_customers(path: Path, name: str, mail: str) -> str:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["RUT", "Nombre", "Correo", "Zona"])
    sheet.append(["12.345.678-5", "Ana Muñoz", "ana@correo.cl", "Norte"])
    sheet.append([int(MARTA.replace("-", "")) if MARTA[-1] != "K" else MARTA, name, mail, "Marta"])
    sheet.append([DASHED, "", "", ""])
    for number in range(1, 5):
        sheet.append([text_of_rut(number), f"Otra {number}", "", ""])
    sheet["C3"].hyperlink = f"mailto:{mail}"
    workbook.create_sheet("Notas").append(["Marta Marcada", MARTA])
    workbook.properties.creator = "Marta Marcada"
    workbook.save(path)
    return str(path)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The installation before anyone is erased."""
    root = tmp_path_factory.mktemp("erasure")
    with serve(root / "server", root / "server_state") as server:
        home, environment = installation.make(root / "home", server)
        lend_parse(home)
        site = Site(home, server.root, environment)
        _leave(home, server.root, MONDAY)
        inboxes = [server.root / each / "inbox" for each in ("lumina", "colegio_pehuen")]
        books = [inbox / f"{MONDAY}_toku_customers.xlsx" for inbox in inboxes]
        _save_customers(books[0], "Marta Marcada", "marta@marcada.cl")
        _save_pupils(books[1])
        assert site.says("run", "--date", f"{MONDAY}").returncode == 1, site.said[-1]
        _leave(home, server.root, TUESDAY)
        # her row, in a file that can be read by nobody
        (server.root / "lumina" / "inbox" / f"{TUESDAY}_toku_payments.csv").write_text(
            f'rut,producto,fecha_vencimiento\n{DOTTED},"LUZ-901,2026-03-20,Marta Marcada\n'
        )
        assert site.says("run", "--date", f"{TUESDAY}").returncode == 1
        book = _save_customers(root / "two.xlsx", "Marta Marcela", "marta2@marcada.cl")
        assert site.says("upload-customers", "lumina", book).returncode == 0, site.said[-1]
        _leave(home, server.root, WEDNESDAY)
        # the organization's own payments, in its own words
        (server.root / "lumina" / "inbox" / f"{WEDNESDAY}_toku_payments.csv").write_text(
            f"rut,producto,fecha_vencimiento,glosa\n{DOTTED},LUZ-901,2026-03-20,Marta en caja\n"
        )
        # a line of hers, and once the file is rotated the same line is somebody else's
        rotated = home.events / "rotated.jsonl"
        rotated.write_text(_event(5, WEDNESDAY, DOTTED, "LUZ-902", "rejected") + "\n")
        # nobody answers at Andes Seguros: its payments file cannot be delivered
        no_key = {"SFTP_PRIVATE_KEY_FILE_ANDES_SEGUROS": "/nowhere"}
        assert site.says("run", "--date", f"{WEDNESDAY}", **no_key).returncode == 1
        (home.events / "late.jsonl").write_text(
            _event(4, WEDNESDAY, LATE, "LUZ-991", "authorized") + "\n"
        )
        rotated.write_text(
            _event(6, WEDNESDAY, LATE, "LUZ-992", "rejected", reason="sin cupo") + "\n"
        )
        # a correction that is held, as that of Tuesday was until Wednesday's file overtook it
        inbox = server.root / "colegio_pehuen" / "inbox"
        short = (inbox / f"{TUESDAY}_toku_invoices.csv").read_bytes()
        (inbox / f"{WEDNESDAY}_toku_invoices.csv").write_bytes(short)
        assert site.says("run", "--date", f"{WEDNESDAY}", **no_key).returncode == 1
        yield site


@dataclass(frozen=True)
class Former:
    """What was before the erasure."""

    tables: dict[str, Rows]
    sent: dict[str, bytes]
    warehouse: dict[str, tuple[int, Any]]


def _totals(home: Home) -> dict[str, tuple[int, Any]]:
    """For each table of the warehouse but the ledger its rows, and the total of each decimal."""
    with warehouse.reading(home) as connection:
        columns: dict[str, list[str]] = {}
        for row in _fetch(
            connection,
            "select table_schema || '.' || table_name as name, column_name, data_type"
            " from information_schema.columns inner join information_schema.tables"
            " using (table_schema, table_name)"
            " where table_type = 'BASE TABLE' and table_name <> 'deliveries'",
        ):
            columns.setdefault(row["name"], [])
            if row["data_type"].startswith("DECIMAL"):
                columns[row["name"]].append(row["column_name"])
        found = {}
        for name, decimals in columns.items():
            sums = ", ".join(f"sum({each})" for each in decimals) or "null"
            (counts,) = connection.execute(f"select count(*), ({sums}) from {name}").fetchall()
            found[name] = (counts[0], counts[1])
    return found


@pytest.fixture(scope="module")
def former(week: Site) -> Former:
    tables, sent = week.tables(), week.sent()
    assert len(tables) > 15
    assert len(_rows_of(tables["debts_history"], {MARTA})) == 8
    assert len(_rows_of(tables["customers_history"], {MARTA})) == 2
    return Former(tables, sent, _totals(week.home))


def _rows_of(rows: Rows, ids: set[str]) -> Rows:
    return [row for row in rows if ids & {value for value in row.values() if value is not None}]


@dataclass(frozen=True)
class Erased:
    """What is after an erasure, at once."""

    site: Site
    said: str
    found: set[tuple[str, str]]
    tables: dict[str, Rows]
    pseudonym: str


def _find_words(home: Home, words: Sequence[str] = WORDS) -> set[tuple[str, str]]:
    """Where a person's word stands, in whatever file of the home, however it is packed."""
    found = set()
    for path in home.root.rglob("*"):
        if not path.is_file():
            continue
        contents = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as connection:
                contents += [
                    repr(connection.execute(f"from {schema}.{name}").fetchall()).encode()
                    for schema, name in connection.execute(
                        "select table_schema, table_name from information_schema.tables"
                        " where table_type = 'BASE TABLE'"
                    ).fetchall()
                ]
        if path.is_relative_to(home.rows):
            with duckdb.connect() as connection:
                rows = connection.execute("from read_parquet(?)", [str(path)]).fetchall()
                assert rows
                contents.append(repr(rows).encode())
        name = str(path.relative_to(home.root))
        found |= {
            (name, word)
            for content in contents
            for word in words
            if word.encode() in content.replace(b"\0", b"")
        }
    return found


@pytest.fixture(scope="module")
def erased(week: Site, former: Former, tmp_path_factory: pytest.TempPathFactory) -> Erased:
    """Marta is erased in a copy; the organizations have emptied their outboxes meanwhile."""
    site = week.copy(tmp_path_factory.mktemp("erased") / "home")
    for path in site.server_root.glob("*/outbox/*"):
        path.unlink()
    # what a killed run had received of a file, and was no whole one
    half = RemoteFile(f"{THURSDAY}_toku_invoices.csv", 1000, None)
    with arriving.receiving(site.home, "lumina", half) as (target, left):
        target.write(f"rut,producto\n{DOTTED},".encode())
    assert _find_words(site.home)
    result = site.says("erase", "lumina", DOTTED)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (left.note.exists(), left.part.exists()) == (True, False)
    left.forget()
    # nothing goes out but what nobody was at home for, and she is not in it
    names = [f"andes_seguros/outbox/{WEDNESDAY}_toku_payments.{kind}" for kind in ("csv", "json")]
    assert list(site.sent()) == names
    for name in names:
        (site.server_root / name).unlink()
    ids = {row["customer_id"] for row in site.query("from customers")}
    (pseudonym,) = (each for each in ids if each.startswith("9") and len(each) == 11)
    return Erased(site, site.said[-1], _find_words(site.home), site.tables(), pseudonym)


REFUSED = [
    ("a pending debt", "lumina", [lumina_debts()[20].customer_id], "1 has a debt in the base"),
    ("one of two", "lumina", [MARTA, lumina_debts()[20].customer_id], "2 has a debt in the base"),
    (
        "paid, and listed",
        "lumina",
        [lumina_debts()[2].customer_id],
        "1 is listed by the newest debts file",
    ),
    ("a payment in process", "lumina", [PAYING], "1 has a payment in process"),
    ("a payment not told", "lumina", [LATE], "1 has a payment that no payments file has told yet"),
    ("a held file", "colegio_pehuen", ["AL-0001"], "1 is in a file that waits for a decision"),
    (
        "an undelivered file",
        "andes_seguros",
        [ANDES[4].customer_id],
        "1 is in a payments file that has not been delivered",
    ),
    ("nobody", "lumina", [text_of_rut(23456789)], "1 is not known"),
    ("nobody here", "colegio_pehuen", [MARTA], "1 is not known"),
]


def _ask(site: Site, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["erase", *arguments], env={**os.environ, **site.environment})
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("organization_id", "customer_ids", "said"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_whom_the_organization_still_claims_is_refused_and_nothing_changes(
    week: Site, former: Former, organization_id: str, customer_ids: list[str], said: str
) -> None:
    before = week.contents()
    code, told = _ask(week, organization_id, *customer_ids)
    assert (code, told.strip()) == (1, f"saldo: customer {said}" + told.strip().partition(said)[2])
    assert week.contents() == before
    assert not any(each in told for each in customer_ids)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no erasure is unfinished"),
        (["lumina"], "say which customers of lumina"),
        (["lumina", MARTA, WRONG_DIGIT], "customer 2 is no RUT"),
        (["lumina", "AL-0001"], "customer 1 is no RUT"),
        (["colegio_pehuen", " "], "customer 1 has no id"),
        (["nobody", MARTA], "no organization 'nobody'"),
    ],
)
def test_wrong_use_says_why_and_ends_with_two(
    week: Site, former: Former, arguments: list[str], said: str
) -> None:
    before = week.contents()
    code, told = _ask(week, *arguments)
    assert (code, said in told, str(BODY) in told) == (2, True, False)
    assert week.contents() == before


def test_what_waits_to_be_loaded_goes_before(week: Site, former: Former, tmp_path: Path) -> None:
    organizations = read_organizations(week.home.seeds)
    book = Path(_save_customers(tmp_path / "three.xlsx", "Marta", "marta@marcada.cl"))
    upload = uploads.put(week.home, organizations[0], book, book.name, datetime.now(UTC))
    assert _ask(week, "lumina", MARTA) == (
        1,
        "saldo: a workbook waits to be loaded: say `load-uploads`, then erase\n",
    )
    shutil.rmtree(upload.folder)
    remote = RemoteFile(f"{THURSDAY}_toku_invoices.csv", 4, None)
    with arriving.receiving(week.home, "lumina", remote) as (target, left):
        target.write(b"rut\n")
    assert _ask(week, "lumina", MARTA) == (
        1,
        "saldo: a received file waits to be loaded: run for the date in its name, then erase\n",
    )
    left.forget()
    waiting = week.home.events / "waiting.jsonl.2026-03-05"
    # a line that is not whole yet
    waiting.write_text(_event(5, THURSDAY, DOTTED, "LUZ-900", "authorized"))
    assert _ask(week, "lumina", MARTA) == (
        1,
        "saldo: events of a person wait to be loaded: run, then erase\n",
    )
    waiting.unlink()


def test_no_file_of_the_home_holds_the_id_the_name_or_the_mail(erased: Erased) -> None:
    assert erased.found == set()


def test_nothing_that_was_said_holds_them(erased: Erased) -> None:
    assert [word for word in WORDS if word in erased.said] == []
    assert "persons of lumina erased: 1;" in erased.said
    assert "daily_balance has changed" not in erased.said


def test_the_balance_is_as_it_was(erased: Erased, former: Former) -> None:
    assert len(former.tables["daily_balance"]) >= 9
    assert _masked(erased.tables["daily_balance"], set()) == _masked(
        former.tables["daily_balance"], set()
    )
    assert _totals(erased.site.home) == former.warehouse


def _masked(rows: Rows, ids: set[str]) -> list[str]:
    """The rows without deliveries, and without what is the person's in hers."""
    masked = []
    for row in rows:
        is_hers = bool(ids & {value for value in row.values() if isinstance(value, str)})
        left_out = OF_DELIVERIES | OF_THE_PERSON if is_hers else OF_DELIVERIES
        masked.append(repr({k: v for k, v in row.items() if k not in left_out}))
    return sorted(masked)


def test_every_published_table_is_the_former_but_for_the_persons_columns(
    erased: Erased, former: Former
) -> None:
    assert set(erased.tables) == set(former.tables)
    tokens = {
        value
        for rows in erased.tables.values()
        for row in rows
        for value in row.values()
        if isinstance(value, str) and value.startswith("borrado-")
    }
    for name, rows in former.tables.items():
        hers = {MARTA, f"0{DOTTED}", DOTTED, DASHED, WRONG_DIGIT}
        assert _masked(erased.tables[name], {erased.pseudonym, *tokens}) == _masked(rows, hers), (
            name
        )


def test_equal_texts_are_equal_tokens_and_different_ones_different(
    erased: Erased, former: Former
) -> None:
    for table, key, names in (
        ("debts_history", ("product_id", "dbt_valid_from"), ("customer_id", "attributes")),
        ("customers_history", ("dbt_valid_from",), ("customer_id", "name", "mail", "attributes")),
        ("payments", ("payment_id",), ("customer_id", "reason")),
    ):
        before = {
            tuple(row[each] for each in key): row for row in _rows_of(former.tables[table], {MARTA})
        }
        after = {
            tuple(row[each] for each in key): row
            for row in _rows_of(erased.tables[table], {erased.pseudonym})
        }
        assert set(before) == set(after)
        for name in names:
            pairs = {(row[name], after[place][name]) for place, row in before.items()}
            assert len({old for old, _ in pairs}) == len({new for _, new in pairs}) == len(pairs)


def test_the_bytes_kept_have_their_hash_for_a_name_and_the_record_names_no_person(
    erased: Erased,
) -> None:
    home = erased.site.home
    paths = [
        path
        for folder in ("lumina", "andes_seguros", "colegio_pehuen", "_events")
        for path in (home.landing / folder).iterdir()
    ]
    assert len(paths) > 10
    assert all(sha256(path.read_bytes()).hexdigest() == path.name for path in paths)
    (record,) = (home.landing / "_erasures").iterdir()
    told = json.loads(record.read_text())
    assert (told["organization_id"], told["persons"]) == ("lumina", 1)
    receipts = {
        file.file_id: file
        for manifest in manifests.read_manifests(home)
        for file in manifest.files
        if file.kept_sha256 is not None
    }
    assert told["receipts_kept_as"] == {
        file_id: file.kept_sha256 for file_id, file in receipts.items()
    }
    assert {(file.kind, file.file_code, bool(file.kept_sha256)) for file in receipts.values()} == {
        ("invoices", None, True),
        ("payments", None, True),
        ("payments", "unclosed_quote", False),
        ("customers", None, True),
    }
    assert erased.pseudonym not in record.read_text()
    assert not home.erasure.exists()
    assert [path for path in home.set_aside.values() if path.exists()] == []


def test_the_files_of_events_keep_their_length_and_their_other_lines(
    erased: Erased, week: Site
) -> None:
    for path in sorted(week.home.events.iterdir()):
        before = path.read_bytes().splitlines(keepends=True)
        after = (erased.site.home.events / path.name).read_bytes().splitlines(keepends=True)
        changed = [number for number, pair in enumerate(zip(before, after, strict=True)) if
                   pair[0] != pair[1]]  # fmt: skip
        lines = {f"{day}.jsonl": events for day, events in EVENTS.items()}.get(path.name, [])
        assert len(changed) == sum(any(word in line for word in WORDS) for line in lines)
        assert all(set(after[number]) == set(b" \n") for number in changed)
        assert [len(line) for line in before] == [len(line) for line in after]
        assert path.stat().st_mtime_ns == (erased.site.home.events / path.name).stat().st_mtime_ns


def test_what_was_published_is_not_published_again_in_other_words(
    erased: Erased, former: Former
) -> None:
    site = erased.site
    result = site.says("republish", "lumina", f"{TUESDAY}")
    assert result.returncode == 1
    assert "exists no more, a person in it has been erased" in result.stderr
    assert site.sent() == {}
    local = site.home.outbox / "lumina" / f"{TUESDAY}_toku_payments.csv"
    name = f"lumina/outbox/{local.name}"
    assert local.read_bytes() == former.sent[name].replace(
        MARTA.encode(), erased.pseudonym.encode()
    )

    # where she is not, the same bytes go out as ever
    result = site.says("republish", "andes_seguros", f"{TUESDAY}")
    assert result.returncode == 0, result.stdout + result.stderr
    names = [f"andes_seguros/outbox/{TUESDAY}_toku_payments.{kind}" for kind in ("csv", "json")]
    assert site.sent() == {name: former.sent[name] for name in names}


def test_a_copy_of_what_was_published_is_restored_without_her(erased: Erased) -> None:
    site = erased.site
    local = site.home.outbox / "lumina" / f"{TUESDAY}_toku_payments.csv"
    manifest = local.with_suffix(".json")
    kept = local.read_bytes(), manifest.read_bytes()
    sent = site.sent()
    for path in (local, manifest):
        path.unlink()
    result = site.says("restore")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines() == [
        "what landed is whole",
        *(
            f"{path} is written again, in other bytes than were sent: a person in it has been"
            " erased since, or an older version of Saldo had written it"
            for path in (local, manifest)
        ),
    ]
    assert (local.read_bytes(), manifest.read_bytes()) == kept
    assert site.sent() == sent
    verified = site.says("verify", "--quick")
    assert verified.returncode == 0, verified.stdout


def _assert_no_event_is_new(home: Home) -> None:
    with warehouse.connect(home) as connection:
        positions = loading.event_positions(connection)
    assert len(positions) == len(list(home.events.iterdir())) == 5
    assert event_files.take(home, positions) == []


def test_blanks_do_not_make_another_file_of_a_file_of_events(erased: Erased) -> None:
    _assert_no_event_is_new(erased.site.home)


@pytest.fixture(scope="module")
def next_day(erased: Erased) -> Site:
    """Thursday, on which Monday's file comes again, and Monday's bytes with Thursday's name."""
    site = erased.site
    for file in files_of(WEDNESDAY):
        name = file.name.replace(f"{WEDNESDAY}", f"{THURSDAY}")
        (site.server_root / file.organization_id / "inbox" / name).write_bytes(file.content)
    inbox = site.server_root / "lumina" / "inbox"
    again = inbox / f"{MONDAY}_toku_invoices.csv"
    os.utime(again, (0, again.stat().st_mtime + 3600))
    result = site.says("run", "--date", f"{THURSDAY}")
    assert "failed" not in result.stderr, result.stderr
    return site


def test_the_next_day_passes_every_test_and_the_same_bytes_again_are_a_duplicate(
    next_day: Site,
) -> None:
    files = next_day.query(
        "select file_name, status, code, load_id from intake_files"
        " where organization_id = 'lumina' and kind = 'invoices' order by load_id"
    )
    assert [(row["file_name"][:10], row["status"], row["code"]) for row in files] == [
        (f"{MONDAY}", "applied", None),
        (f"{TUESDAY}", "applied", None),
        (f"{WEDNESDAY}", "applied", None),
        (f"{MONDAY}", "duplicate", "same_bytes_again"),
        (f"{THURSDAY}", "applied", None),
    ]
    with warehouse.reading(next_day.home) as connection:
        assert connection.execute(
            "select count(*) from raw.loads where finished_at is null"
        ).fetchall() == [(0,)]
    assert len(next_day.query("from payments_file_lines where organization_id = 'lumina'")) > 6
    assert [
        row["status"]
        for row in next_day.query("from debts where product_id in ('LUZ-900', 'LUZ-901')")
    ] == ["paid", "paid"]


@dataclass(frozen=True)
class Before:
    """What was on the next day before the second erasure."""

    tables: dict[str, Rows]
    warehouse: dict[str, tuple[int, Any]]
    names: dict[str, list[str]]


def _names_of_files(home: Home) -> dict[str, list[str]]:
    """The files of what landed and of what went out, each with any hash in its name."""
    return {
        folder: sorted(
            re.sub("[0-9a-f]{64}", "HASH", str(path.relative_to(home.root / folder)))
            for path in (home.root / folder).rglob("*")
            if path.parent.name != "_erasures"
        )
        for folder in ("landing", "events", "outbox", "uploads")
    }


@pytest.fixture(scope="module")
def killed(next_day: Site) -> tuple[Site, Before]:
    """Two customers are erased by a command that is killed at every step, and said again until it
    is done. The held file that they are in is overtaken by Thursday's, and keeps nobody.
    """
    site = next_day
    assert site.query("select file_id from intake_files where status = 'held'") == []
    before = Before(site.tables(), _totals(site.home), _names_of_files(site.home))
    assert {word for _, word in _find_words(site.home, WORDS_OF_PUPILS)} == {*WORDS_OF_PUPILS}
    events = {path.name: path.read_bytes() for path in site.home.events.iterdir()}
    for step in STEPS:
        died = site.dies(step, "colegio_pehuen", PUPILS[0], f" {PUPILS[1]}")
        assert died == -signal.SIGKILL, (step, site.said[-1])
        if step == "before the manifests":
            assert stat.S_IMODE(site.home.erasure.stat().st_mode) == 0o600
            # meanwhile nothing new is taken
            count = len(list(manifests.read_manifests(site.home)))
            result = site.says("run", "--date", f"{THURSDAY}")
            assert result.returncode == 1
            assert "run `python -m orchestration erase` again" in result.stderr
            assert len(list(manifests.read_manifests(site.home))) == count
        elif step == "between the files of events":
            now = {path.name: path.read_bytes() for path in site.home.events.iterdir()}
            assert [name for name in now if now[name] != events[name]] == [f"{TUESDAY}.jsonl"]
        elif step == "while the warehouse is built":
            begun = site.home.warehouse.stat().st_ino
    # what had been built was not built again, then or now
    assert site.home.warehouse.stat().st_ino == begun
    result = site.says("erase")
    assert result.returncode == 0, result.stdout + result.stderr
    assert site.home.warehouse.stat().st_ino == begun
    return site, before


def test_two_customers_of_an_own_scheme_are_erased_at_once_though_it_is_killed_at_any_step(
    killed: tuple[Site, Before],
) -> None:
    """Their bytes that were erased before are left as they are; who came again goes again."""
    site, before = killed
    assert _find_words(site.home, WORDS_OF_PUPILS) == set()
    assert [word for word in WORDS_OF_PUPILS if word in site.said[-1]] == []
    assert "persons of colegio_pehuen erased: 2;" in site.said[-1]
    assert _totals(site.home) == before.warehouse
    after = site.tables()
    tokens = {
        value
        for rows in after.values()
        for row in rows
        for value in row.values()
        if isinstance(value, str) and re.match("borrado-", value)
    }
    assert set(after) == set(before.tables)
    for name, rows in before.tables.items():
        assert _masked(after[name], tokens) == _masked(rows, {*PUPILS, *tokens}), name
    ids = {row["customer_id"] for row in after["debts"]}
    assert {"AL-0003"} == ids & {*PUPILS, "AL-0003"}
    assert len({each for each in ids if each.startswith("borrado-")}) == 2


def test_killed_at_any_step_it_leaves_no_other_files_than_there_were(
    killed: tuple[Site, Before],
) -> None:
    site, before = killed
    assert _names_of_files(site.home) == before.names
    assert len(list((site.home.landing / "_erasures").iterdir())) == 2
    assert not site.home.erasure.exists()
    leftovers = [*site.home.root.glob("*.before_replay*"), *site.home.root.glob(".*")]
    assert leftovers == []
    _assert_no_event_is_new(site.home)
