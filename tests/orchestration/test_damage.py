"""A database that is damaged is told by its name and replaced, a full disk by its place."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration import runs
from orchestration.defs.resources import guarded
from orchestration.delivery import published_copy
from orchestration.installation import databases, warehouse
from orchestration.installation.damage import DamagedError, DiskFullError, explain
from orchestration.installation.home import Home
from orchestration.intake import loads
from orchestration.landing import manifests
from orchestration.landing.manifests import Manifest
from orchestration.reports import run_alerts
from tests.orchestration.damaging import UNREADABLE, flip, log_path

MANIFEST = Manifest(1, datetime(2026, 3, 2, 8), date(2026, 3, 2))


@pytest.fixture
def kept(home: Home) -> Home:
    """A home with a load, a warehouse, marts and a copy, each with some blocks of rows."""
    manifests.write_manifest(home, MANIFEST)
    with warehouse.connect(home) as connection:
        for database in ("warehouse", "marts"):
            connection.execute(
                f"create table {database}.main.many as select hash(range) as h from range(300000)"
            )
    with duckdb.connect(str(home.analytics)) as connection:
        connection.execute("create table many as select hash(range) as h from range(300000)")
    return home


def _said(path: Path) -> str:
    remedy = (
        "run` publishes it again"
        if path.name == "analytics.duckdb"
        else "replay` rebuilds it from the landing area"
    )
    return f"{path} is damaged, or of another version of DuckDB: `python -m orchestration {remedy}"


@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
def test_a_database_that_cannot_be_opened_is_told_by_its_name(
    kept: Home, damage: Callable[[bytes], bytes]
) -> None:
    for path, read in (
        (kept.marts, warehouse.connect),
        (kept.marts, warehouse.reading),
        (kept.warehouse, warehouse.connect),
        (kept.analytics, published_copy.reading),
    ):
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        with pytest.raises(DamagedError) as error, read(kept):
            pass
        assert str(error.value) == _said(path)
        assert warehouse.peek_numbers(kept) == (0, 0)
        path.write_bytes(whole)


def test_a_damaged_warehouse_is_named_though_another_process_has_the_marts_open(
    kept: Home,
) -> None:
    kept.warehouse.write_bytes(b"not a database")
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(kept.marts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"\n"
        for read in (warehouse.connect, warehouse.reading):
            with pytest.raises(DamagedError) as error, read(kept):
                pass
            assert str(error.value) == _said(kept.warehouse)
        holder.kill()


def test_a_database_with_another_byte_anywhere_is_told_or_read_whole(kept: Home) -> None:
    for path, read in (
        (kept.marts, warehouse.connect),
        (kept.warehouse, warehouse.connect),
        (kept.analytics, published_copy.reading),
    ):
        whole = path.read_bytes()
        told = []
        for share in range(10):
            path.write_bytes(flip(whole, 3 * 4096 + (len(whole) - 3 * 4096) * share // 10))
            told.append(_told_of(read, kept))
        assert set(told) <= {_said(path), None}
        assert told.count(None) < 5
        path.write_bytes(whole)


def test_a_log_with_another_byte_is_told(kept: Home) -> None:
    _leave_a_log(kept)
    log = log_path(kept.warehouse)
    log.write_bytes(flip(log.read_bytes(), log.stat().st_size // 2))
    with pytest.raises(DamagedError) as error, warehouse.connect(kept):
        pass
    assert str(error.value) == _said(kept.warehouse)


def test_without_its_log_a_warehouse_is_as_it_was_a_little_earlier(kept: Home) -> None:
    _leave_a_log(kept)
    log_path(kept.warehouse).unlink()
    with warehouse.connect(kept) as connection:
        assert connection.execute("select count(*) from many").fetchall() == [(300000,)]
        assert connection.execute("from duckdb_tables() where table_name = 'few'").fetchall() == []


@pytest.mark.parametrize("damage", [*UNREADABLE.values(), lambda content: content])
def test_a_warehouse_is_set_aside_as_it_is_with_its_log(
    kept: Home, damage: Callable[[bytes], bytes]
) -> None:
    """What replaces it must not read it, nor take its log for that of the next."""
    _leave_a_log(kept)
    log = log_path(kept.warehouse)
    kept.warehouse.write_bytes(damage(kept.warehouse.read_bytes()))
    former = {
        "marts.before_replay.duckdb": kept.marts.read_bytes(),
        "warehouse.before_replay.duckdb": kept.warehouse.read_bytes(),
        "warehouse.before_replay.duckdb.wal": log.read_bytes(),
    }
    for path in kept.set_aside.values():
        path.write_bytes(b"the one before")
    runs.set_aside(kept, lambda _: None)
    found = {*kept.root.glob("warehouse*"), *kept.root.glob("marts*")}
    assert {path.name: path.read_bytes() for path in found} == former


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_no_kill_of_a_replay_leaves_a_warehouse_without_its_log(
    kept: Home, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """It would be in an earlier state than the marts, and of the same load."""
    _leave_a_log(kept)
    rename, left = Path.replace, iter(range(renames))

    def rename_or_die(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", rename_or_die)
        with pytest.raises(KeyboardInterrupt):
            runs.set_aside(kept, lambda _: None)
    with warehouse.connect(kept) as connection:
        found = connection.execute(
            "select distinct table_name from duckdb_tables()"
            " where table_name in ('few', 'many') order by all"
        ).fetchall()
    assert found == ([] if renames else [("few",), ("many",)])


def test_marts_without_their_warehouse_are_set_aside(kept: Home) -> None:
    """R10: the models would add to them what they have already. As after a killed replay."""
    kept.warehouse.replace(kept.set_aside[kept.warehouse])
    _leave_logs(kept.marts)
    expected = _committed(kept.marts)
    with warehouse.connect(kept) as connection:
        assert connection.execute("from duckdb_tables() where table_name = 'many'").fetchall() == []
    assert _committed(kept.set_aside[kept.marts]) == expected


def test_what_was_committed_during_a_killed_checkpoint_stays_with_its_database(
    kept: Home, tmp_path: Path
) -> None:
    of_each: dict[Path, list[tuple[int]]] = {}
    for path, aside in kept.set_aside.items():
        _leave_logs(path)
        assert databases.files_of(path) == [path, log_path(path), _second_log(path)]
        of_each[path] = _committed(path)
        databases.copy(path, tmp_path)
        assert _committed(tmp_path / path.name) == of_each[path]
        _second_log(aside).write_bytes(b"that of the one before")
    runs.set_aside(kept, lambda _: None)
    for path, aside in kept.set_aside.items():
        assert databases.files_of(path) == []
        assert _committed(aside) == of_each[path]


def test_a_log_without_its_warehouse_is_put_away_too(kept: Home) -> None:
    _leave_a_log(kept)
    kept.warehouse.unlink()
    runs.set_aside(kept, lambda _: None)
    assert [path.name for path in kept.root.glob("warehouse*")] == [
        "warehouse.before_replay.duckdb.wal"
    ]


def test_nothing_is_put_away_where_nothing_landed(kept: Home) -> None:
    manifests.manifest_path(kept, 1).unlink()
    runs.set_aside(kept, lambda _: None)
    assert [path.name for path in kept.root.glob("warehouse*")] == ["warehouse.duckdb"]


@pytest.mark.parametrize(
    "former",
    [
        "drop view raw.invoices; create table raw.invoices (load_id bigint)",
        "create table marts.main.debts (amount decimal(18, 2))",
    ],
)
def test_what_another_version_made_before_the_first_load_is_put_away(
    home: Home, former: str
) -> None:
    """Else each run says that a replay rebuilds it, and the replay would do nothing."""
    with warehouse.connect(home) as connection:
        connection.execute(former)
        with pytest.raises(warehouse.OlderWarehouseError, match="replay"):
            loads.carry_landed(connection, home)
    runs.set_aside(home, lambda _: None)
    with warehouse.connect(home) as connection:
        assert loads.carry_landed(connection, home) is None


def test_before_the_first_run_has_ended_nothing_is_said_to_be_lost_for_sure(home: Home) -> None:
    manifests.write_manifest(home, MANIFEST)
    with pytest.raises(DamagedError) as error, published_copy.reading(home):
        pass
    assert str(error.value) == (
        f"{home.analytics} is missing: nothing has been published yet, or it was lost;"
        " `python -m orchestration run` publishes it"
    )


def test_a_warehouse_that_cannot_be_read_before_the_first_load_is_put_away(home: Home) -> None:
    """Of a home that has published, it stays: the landing area may be what is lost."""
    home.warehouse.write_bytes(b"of another version of DuckDB" * 1000)
    home.analytics.touch()
    with pytest.raises(DamagedError):
        runs.set_aside(home, lambda _: None)
    home.analytics.unlink()
    runs.set_aside(home, lambda _: None)
    with warehouse.connect(home) as connection:
        assert loads.carry_landed(connection, home) is None


FULL = {
    "Python": lambda home: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "a quota": lambda home: OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    "DuckDB": lambda home: duckdb.IOException(
        f'Could not write file "{home.warehouse}": No space left on device'
    ),
    "DuckDB's scratch": lambda home: duckdb.OutOfMemoryException(
        "failed to offload data block of size 256.0 KiB (12.0 MiB/12.0 MiB used)."
    ),
    "SQLite": lambda home: RuntimeError("(sqlite3.OperationalError) database or disk is full"),
    "SQLite's log": lambda home: RuntimeError("(sqlite3.OperationalError) disk I/O error"),
    "dbt": lambda home: RuntimeError(
        "Runtime Error in model debts\n  No space left on device while writing"
    ),
}


@pytest.mark.parametrize("error", FULL.values(), ids=FULL)
def test_a_full_disk_is_told_by_its_place(home: Home, error: Callable[[Home], Exception]) -> None:
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = error(home)
    for each in (error(home), wrapped):
        told = explain(each, home)
        assert isinstance(told, DiskFullError)
        assert str(told).startswith(f"the disk of {home.root} is full (")
        assert len(str(told).splitlines()) == 1


def test_what_the_machine_is_not_to_blame_for_is_told_as_it_is(home: Home) -> None:
    read_only = OSError(errno.EROFS, "Read-only file system", "/home/run.lock")
    told = "/home/run.lock is on a disk that is only read: mount it for writing"
    assert str(explain(read_only, home)) == told
    assert explain(RuntimeError("something else"), home) is None
    assert explain(PermissionError(errno.EACCES, "Permission denied"), home) is None
    assert explain(duckdb.CatalogException("Table does not exist"), home) is None


def test_a_run_that_the_machine_made_fail_says_so_in_one_sentence(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where dbt met the damage, which tells it in its own words."""
    monkeypatch.setenv("SALDO_HOME", str(home.root))

    @dg.op
    def fail() -> None:
        with guarded():
            raise RuntimeError(
                "Runtime Error in model debts (models/marts/debts.sql)\n  IO Error: Corrupt"
                " database file: computed checksum 1 does not match stored checksum 2 in block"
            )

    @dg.job
    def job() -> None:
        fail()

    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        alert = run_alerts.alert_of(instance, run)
    assert alert is not None
    assert alert.lines == (_said(home.warehouse),)
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    assert run_alerts.find_told(failed) == _said(home.warehouse)


def _told_of(read: Callable[..., Any], home: Home) -> str | None:
    """What is said when every row of a database is read."""
    try:
        with read(home) as connection:
            databases.read_whole(connection)
    except DamagedError as error:
        return str(error)
    return None


def _leave_logs(path: Path) -> None:
    """Commit something while DuckDB writes what was committed before into the database, and die."""
    script = """
import duckdb, os, sys, threading
connection = duckdb.connect(sys.argv[1])
connection.execute("set wal_autocheckpoint = '1GB'")
columns = ", ".join(f"hash(range + {number}) as h_{number}" for number in range(20))
connection.execute(f"create table wide as select {columns} from range(0)")
connection.execute("create table few (h ubigint)")
beside = connection.cursor()
while True:
    connection.execute(f"insert into wide select {columns} from range(100000)")
    checkpoint = threading.Thread(target=lambda: connection.execute("checkpoint"), daemon=True)
    checkpoint.start()
    while checkpoint.is_alive():
        beside.execute("insert into few values (1)")
        if os.path.exists(f"{sys.argv[1]}.wal.checkpoint"):
            os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)


def _second_log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal.checkpoint")


def _committed(path: Path) -> list[tuple[int]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("select count(*) from few").fetchall()


def _leave_a_log(home: Home) -> None:
    """Write into the warehouse and die before it is in the file itself."""
    script = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("create table few as select hash(range) as h from range(10)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(home.warehouse)], check=True)
    assert log_path(home.warehouse).exists()
