"""The commands of an operator, on two days of the sample organizations over a real SFTP server.

On the second day Colegio Pehuén's file would withdraw 45 of its 60 debts: it is held (R17).
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from unittest.mock import Mock

import duckdb
import pytest
from click.testing import CliRunner
from rich.console import Console

from orchestration.__main__ import main
from orchestration.delivery import ledger, published_copy
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.devtools.demo.samples import DAYS
from orchestration.formats.file_columns import Column
from orchestration.installation import warehouse
from orchestration.intake import decisions
from orchestration.intake.checking import Checked
from orchestration.reports.terminal import show_checked
from tests.orchestration.installations import Installed, install

HELD = f"{DAYS[1]}_toku_invoices.csv"
PAYMENTS = f"{DAYS[1]}_toku_payments.csv"


class Operator(Installed):
    """Who types the commands."""

    def unfinished_loads(self) -> int:
        """How many loads have not been carried through to the end."""
        with warehouse.reading(self.home) as connection:
            row = connection.execute(
                "select count(*) from raw.loads where finished_at is null"
            ).fetchone()
        return int(row[0]) if row else -1

    def answer(self) -> dict[str, str]:
        """The summary of the held file that its organization finds in its outbox."""
        path = self.server_root / "colegio_pehuen" / "outbox" / f"{HELD}.summary.csv"
        return dict(line.split("|", 1) for line in path.read_text().splitlines())

    def statuses(self) -> dict[str, int]:
        """How many debts of Colegio Pehuén have which status."""
        rows = self.query(
            "select status, count(*) from debts where organization_id = 'colegio_pehuen' group by 1"
        )
        return {str(status): int(str(count)) for status, count in rows}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    root = tmp_path_factory.mktemp("commands")
    with install(root, Operator, days=2) as operator:
        yield operator


@pytest.fixture(scope="module")
def held_id(operator: Operator) -> str:
    ((file_id,),) = operator.query("select file_id from intake_files where status = 'held'")
    return str(file_id)


@pytest.fixture(scope="module")
def approved(operator: Operator, held_id: str) -> subprocess.CompletedProcess[str]:
    """What `approve` says of the held file."""
    return operator.command("approve", held_id)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("approve", "0123456789abcdef"), "there is no file 0123456789abcdef"),
        (("refuse", "../../etc/passwd"), "there is no file ../../etc/passwd"),
        (("republish", "nobody", "2026-03-03"), "no organization 'nobody'"),
        (("republish", "lumina", "2025-01-01"), "lumina has no payments file of 2025-01-01"),
        (("republish", "lumina", "yesterday"), "'yesterday' does not match the format"),
        (("check", "nobody"), "no organization 'nobody'"),
        (("run", "--date", "2026-02-30"), "'2026-02-30' does not match the format"),
        (("run", "--date", "2023-12-31"), "2023-12-31 cannot be run: dates from 2024-01-01 to"),
        (("run", "--date", "9999-12-31"), "9999-12-31 cannot be run: dates from 2024-01-01 to"),
    ],
)
def test_wrong_use_says_why_and_ends_with_two(
    operator: Operator, arguments: tuple[str, ...], said: str
) -> None:
    result = CliRunner().invoke(main, arguments, env={**os.environ, **operator.environment})
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(operator.home.decisions.iterdir()) == []


def test_a_setting_that_is_wrong_is_told_before_anything_runs(operator: Operator) -> None:
    environment = {**os.environ, **operator.environment, "SALDO_FILE_LIMIT": "5TB"}
    result = CliRunner().invoke(main, ["run"], env=environment)
    assert result.exit_code == 2
    assert "SALDO_FILE_LIMIT: '5TB' is not allowed" in result.stderr


def test_held_shows_the_difference_that_the_file_would_make(
    operator: Operator, held_id: str
) -> None:
    result = operator.command("held")
    assert result.returncode == 1
    (row,) = [line.split() for line in result.stdout.splitlines() if "colegio_pehuen" in line]
    # new, changed, same, withdrawn, kept in process, rows of nobody
    assert row == [held_id, "colegio_pehuen", "0", "0", "15", "45", "0", "0"]
    assert operator.answer()["estado"] == "retenido"


def test_who_decides_otherwise_than_somebody_before_is_told_so(
    operator: Operator, held_id: str
) -> None:
    decisions.decide(
        operator.home, held_id, decisions.APPROVED, datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
    )
    result = operator.command("refuse", held_id)
    assert result.returncode == 1
    assert (
        f"file {held_id} was approved at 2026-03-04 12:30 UTC: the first decision counts"
        in " ".join(result.stderr.split())
    )
    assert [each.decision for each in decisions.read_noted(operator.home)] == [decisions.APPROVED]
    decisions.forget(operator.home, held_id)


def test_check_reads_the_newest_file_and_changes_nothing(operator: Operator) -> None:
    before = _contents(operator)
    result = operator.command("check", "lumina")
    assert result.returncode == 1
    assert f"file: {HELD}" in result.stdout
    assert "records: 120, of which 119 accepted" in result.stdout
    assert "line 10: invalid_amount: El monto falta" in result.stdout
    meanings = [line.split() for line in result.stdout.splitlines()]
    assert ["1", "rut", "customer_id"] in meanings
    assert ["7", "sucursal", "attribute"] in meanings
    assert _contents(operator) == before


@pytest.mark.parametrize("columns", [[Column(1, "rut", None, "rut")], []])
def test_check_shows_the_columns_of_a_file_that_is_read_alone(columns: list[Column]) -> None:
    """One with an impossible date in its name is not read."""
    file = Mock(file_name="2026-11-31_toku_invoices.csv", byte_count=9)
    found = Checked("lumina", file=file, encoding="utf-8", columns=columns)
    console = Console(file=io.StringIO(), width=120)
    show_checked(console, [found])
    text = console.file.getvalue()
    assert "file: 2026-11-31_toku_invoices.csv, 9 bytes" in text
    assert ("what the columns mean" in text, "encoding:" in text, "records:" in text) == (
        (columns != [],) * 3
    )


def test_check_says_why_a_server_cannot_be_used(operator: Operator) -> None:
    result = operator.command("check", "lumina", SFTP_PRIVATE_KEY_FILE_LUMINA="/nowhere")
    assert result.returncode == 1
    assert "no_credentials: SFTP_PRIVATE_KEY_FILE_LUMINA names no file" in result.stdout


def test_check_follows_the_links_of_the_server_to_a_folder_that_two_contracts_name(
    operator: Operator,
) -> None:
    outbox = operator.server_root / "lumina" / "outbox"
    moved = outbox.rename(operator.server_root / "lumina" / "moved")
    outbox.symlink_to(operator.server_root / "andes_seguros")
    inbox = operator.server_root / "andes_seguros" / "inbox"
    kept = inbox.rename(inbox.with_name("kept"))
    inbox.mkdir()
    try:
        # There is no file, of which it would tell more.
        result = operator.command("check", "andes_seguros")
    finally:
        inbox.rmdir()
        kept.rename(inbox)
        outbox.unlink()
        moved.rename(outbox)
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if line.startswith("folders:")] == [
        f"folders: {name}_dir of andes_seguros (andes_seguros/{name}) is, or is inside, outbox_dir"
        " of lumina (lumina/outbox) on the server: give each a folder of its own"
        for name in ("inbox", "outbox")
    ]


def test_the_contracts_are_checked_without_a_server_where_there_is_none(
    operator: Operator, tmp_path: Path
) -> None:
    result = operator.command("check", "--offline", SFTP_KNOWN_HOSTS_FILE="")
    assert (result.returncode, result.stdout) == (0, "3 contracts can be used\n")
    seeds = Path(shutil.copytree(operator.home.seeds, tmp_path / "seeds"))
    text = (seeds / "organizations.csv").read_text()
    text = text.replace("andes_seguros/inbox", "lumina/../lumina/inbox/")
    (seeds / "organizations.csv").write_text(text)
    result = operator.command("check", "--offline", SALDO_SEEDS=str(seeds))
    assert (result.returncode, result.stderr) == (
        2,
        "saldo: organizations.csv, row 3, column inbox_dir: 'lumina/../lumina/inbox/' is not"
        " allowed; allowed: a folder that is neither 'lumina/inbox' nor inside it, which is"
        " inbox_dir of row 2\n",
    )


def test_an_approved_file_is_applied_and_its_answer_replaced(
    operator: Operator, approved: subprocess.CompletedProcess[str]
) -> None:
    assert approved.returncode == 0, approved.stdout + approved.stderr
    assert f"colegio_pehuen {HELD}: applied" in approved.stdout
    # the file lists 15 of 60 debts, of which one is in process and one paid
    assert operator.statuses() == {"pending": 13, "in_process": 1, "paid": 1, "withdrawn": 45}
    assert operator.answer()["estado"] == "aplicado"
    assert list(operator.home.decisions.iterdir()) == []
    assert operator.command("held").stdout == "no file is held\n"


def test_a_decision_is_made_once(
    operator: Operator, approved: subprocess.CompletedProcess[str], held_id: str
) -> None:
    result = operator.command("refuse", held_id)
    assert result.returncode == 2
    assert f"file {held_id} is applied" in result.stderr


def test_a_payments_file_that_was_taken_away_is_republished_with_the_same_bytes(
    operator: Operator, approved: subprocess.CompletedProcess[str]
) -> None:
    path = operator.server_root / "lumina" / "outbox" / PAYMENTS
    content = path.read_bytes()
    path.unlink()
    result = operator.command("republish", "lumina", DAYS[1].isoformat())
    assert result.returncode == 0, result.stdout + result.stderr
    assert path.read_bytes() == content

    path.write_bytes(b"other\n")
    result = operator.command("republish", "lumina", DAYS[1].isoformat())
    assert result.returncode == 1
    assert "name_taken" in result.stdout
    assert path.read_bytes() == b"other\n"
    attempts = "select attempt_count from deliveries where file_name = ? and organization_id = ?"
    with published_copy.reading(operator.home) as copy:
        assert copy.execute(attempts, [PAYMENTS, "lumina"]).fetchall() == [(3,)]


def test_a_replay_of_the_landing_area_gives_the_same_tables_and_sends_nothing(
    operator: Operator, approved: subprocess.CompletedProcess[str]
) -> None:
    """R10; the outboxes have been emptied by their owners meanwhile, and stay so."""
    for folder in operator.server_root.glob("*/outbox"):
        for path in folder.iterdir():
            path.unlink()
    result = operator.command("replay")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 loads replayed" in result.stdout
    assert list(operator.server_root.glob("*/outbox/*")) == []
    table_count = 0
    for replayed, former in operator.home.set_aside.items():
        with duckdb.connect() as connection:
            for name, path in {"former": former, "replayed": replayed}.items():
                connection.execute(f"attach '{path}' as {name} (read_only)")
            tables = connection.execute(
                "select table_schema || '.' || table_name from information_schema.tables"
                " where table_catalog = 'former' and table_type = 'BASE TABLE'"
                " and table_name not in ('built', 'warehouse_id')"
            ).fetchall()
            table_count += len(tables)
            for (table,) in tables:
                for one, other in (("former", "replayed"), ("replayed", "former")):
                    # The id of the warehouse is another one.
                    rows = f"select columns(lambda name: name <> 'warehouse_id') from {{}}.{table}"
                    assert not connection.execute(
                        f"{rows.format(one)} except all {rows.format(other)}"
                    ).fetchall(), table
    assert table_count > 30


# What a click on one asset in Dagster's page does.
SOME_MODELS = """
import sys
import dagster as dg
from orchestration.definitions import defs
job = defs().resolve_job_def("business_date")
keys = job.asset_layer.selected_asset_keys
with dg.DagsterInstance.get() as instance:
    job.execute_in_process(
        instance=instance,
        partition_key=sys.argv[1],
        asset_selection=[
            *(key for key in keys if key.path[0] == "raw"),
            dg.AssetKey(["staging", "stg_contracts__organizations"]),
        ],
    )
"""


@dataclass(frozen=True)
class Resumed:
    """A run of some models, and two whole ones after it.

    Args:
        unfinished: how many loads were not carried through after each of the three.
        whole: the two.
        alert: what was sent by them.

    """

    unfinished: list[int]
    whole: list[subprocess.CompletedProcess[str]]
    alert: str


@pytest.fixture(scope="module")
def resumed(
    operator: Operator,
    approved: subprocess.CompletedProcess[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Resumed:
    """Before the whole ones, a file was sent of which nobody knows whether it arrived whole."""
    day = DAYS[0].isoformat()
    ran = operator.python("-c", SOME_MODELS, day)
    assert ran.returncode == 0, ran.stderr[-2000:]
    unfinished = [operator.unfinished_loads()]
    file = OutgoingFile("lumina", DAYS[0], "intake_result", "a.result.csv", 1, b"linea\n")
    with ledger.open_batch(operator.home) as batch:
        batch.note_intent(file)
        batch.note_outcomes((file, "taken_unread", "ask", False))
    alert = tmp_path_factory.mktemp("told") / "alert"
    settings = {"SALDO_ALERT_COMMAND": f"tee -a {alert}"}
    whole = []
    for _ in range(2):
        whole.append(operator.command("run", "--date", day, **settings))
        unfinished.append(operator.unfinished_loads())
    return Resumed(unfinished, whole, alert.read_text())


def test_what_the_receiver_may_have_is_told_once(resumed: Resumed) -> None:
    """R24: by the exit status, the day's report and an alert; afterwards it is only shown."""
    first, second = resumed.whole
    assert (first.returncode, second.returncode) == (1, 0), first.stdout + second.stdout
    for result in resumed.whole:
        assert "taken_unread (ask): lumina a.result.csv" in result.stdout.splitlines()
    told = "every_file_is_delivered: files not delivered: lumina (taken_unread)"
    assert resumed.alert.count(f'["{told}"]') == 1


def test_a_run_of_some_models_does_not_finish_the_load_for_all(resumed: Resumed) -> None:
    """The next run carries the load through."""
    assert resumed.unfinished == [1, 0, 0]


def _contents(operator: Operator) -> dict[Path, str]:
    """Every file of the home and of the server, but logs and caches, by the hash of its bytes."""
    passed_over = {"logs", "target", "tmp", "project", "dagster"}
    return {
        path: sha256(path.read_bytes()).hexdigest()
        for root in (operator.home.root, operator.server_root)
        for path in root.rglob("*")
        if path.is_file() and not passed_over & set(path.relative_to(root).parts)
    }
