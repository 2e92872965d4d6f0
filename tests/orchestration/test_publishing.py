"""The published copy: swapped in one step, whole for readers, untouched when it fails (R28)."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from jinja2 import Environment

from orchestration.defs.analytics import analytics
from orchestration.defs.resources import hold_installation
from orchestration.delivery import published_copy
from orchestration.installation import warehouse
from orchestration.installation.access import ForeignHomeError
from orchestration.installation.damage import DamagedError
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.locking import WarehouseBusyError
from orchestration.installation.project_yaml import published_tables
from orchestration.landing import manifests
from tests.orchestration.damaging import flip

FIRST = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECOND = datetime(2026, 3, 3, 8, tzinfo=UTC)


# All columns that publishing itself knows of.
ROW = """
    'a' as debt_id, 'a' as payment_key, 1 as event_number, 'a' as customer_key, 'a' as dbt_scd_id,
    timestamp '2026-01-01' as updated_at, null::timestamp as dbt_updated_at,
    timestamp '2026-01-01' as dbt_valid_from, null::timestamp as dbt_valid_to
"""


SPILLS = """
    create temp table sorted as
    select hash(range)::varchar || hash(range + 1)::varchar as text
    from range(2_000_000) order by text
"""


def _make_tables(connection: duckdb.DuckDBPyConnection, amount: int = 1) -> None:
    """Make every table and view, with one row that has an amount."""
    for table in published_tables():
        kind, database = (
            ("view", "warehouse")
            if table in published_copy.CHANGED_BY_DELIVERIES
            else ("table", "marts")
        )
        connection.execute(
            f"create or replace {kind} {database}.main.{table} as select {amount} as amount, {ROW}"
        )
    macros = (PROJECT / "macros" / "debts_as_of.sql").read_text(encoding="utf-8")
    environment = Environment(autoescape=False)
    this = {"database": "marts", "schema": "main"}
    module = environment.from_string(macros, {"this": this}).module
    connection.execute(module.duckdb__create_debts_as_of_function())  # type: ignore[attr-defined]


def _publish(home: Home, at: datetime, amount: int) -> dict[str, int]:
    with warehouse.connect(home) as connection:
        _make_tables(connection, amount)
        return published_copy.publish(connection, home, lambda: at)


def _read(home: Home) -> tuple[object, ...]:
    with duckdb.connect(str(home.analytics), read_only=True) as connection:
        row = connection.execute("select amount, published_at from debts, published_at").fetchone()
    assert row is not None
    return row


def _parts(home: Home) -> list[str]:
    return sorted(path.name for path in home.root.glob(".*"))


@pytest.fixture
def published(home: Home) -> Home:
    assert _publish(home, FIRST, 1) == dict.fromkeys(published_tables(), 1)
    return home


def test_a_copy_says_when_it_was_published(published: Home) -> None:
    assert _read(published) == (1, datetime(2026, 3, 2, 8))


def test_its_readers_keep_to_a_quarter_of_the_memory_and_to_the_settings_of_the_warehouse(
    published: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALDO_MEMORY_LIMIT", "256MB")
    settings = (
        "select current_setting('memory_limit'), current_setting('temp_directory'),"
        " current_setting('autoinstall_known_extensions')"
    )
    with published_copy.reading(published) as first, published_copy.reading(published) as second:
        first.execute(SPILLS)
        found = [each.execute(settings).fetchone() for each in (first, second)]
        assert list(published.scratch.iterdir()) != []
        # Another page may be asked for now.
        with published_copy.reading(published) as third:
            found.append(third.execute(settings).fetchone())
    limits, folders, installs = zip(*found, strict=True)
    assert (set(limits), set(installs)) == ({"61.0 MiB"}, {False})
    # Two that spill into one folder overwrite what the other has there.
    assert {Path(folder).parent for folder in folders} == {published.scratch}
    assert len(set(folders)) == len(folders)
    assert list(published.scratch.iterdir()) == []


def test_two_readers_that_spill_at_once_leave_each_other_alone(
    published: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALDO_MEMORY_LIMIT", "256MB")
    whole = "select count(distinct text) from sorted"
    with published_copy.reading(published) as first, published_copy.reading(published) as second:
        for reader in (first, second):
            reader.execute(SPILLS)
        assert [reader.execute(whole).fetchone() for reader in (first, second)] == [
            (2_000_000,)
        ] * 2


def test_a_reader_that_stays_open_keeps_no_other_of_its_process_at_the_former_copy(
    published: Home,
) -> None:
    amount = "select amount from debts"
    with published_copy.reading(published) as paused:
        _publish(published, SECOND, 2)
        with published_copy.reading(published) as second:
            _publish(published, SECOND, 3)
            with published_copy.reading(published) as third:
                readers = (paused, second, third)
                seen = [each.execute(amount).fetchone() for each in readers]
    assert seen == [(1,), (2,), (3,)]


def test_it_can_be_read_while_a_run_holds_the_warehouse(published: Home) -> None:
    with warehouse.connect(published):
        seen = subprocess.run(
            [
                sys.executable,
                "-c",
                "import duckdb, sys;"
                "print(duckdb.connect(sys.argv[1], read_only=True).sql('from debts').fetchall())",
                str(published.analytics),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    assert seen.stdout.startswith("[(1,")


def test_a_reader_that_has_it_open_keeps_what_it_opened_and_sees_the_next_when_it_opens_again(
    published: Home,
) -> None:
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
            "for _ in sys.stdin:\n"
            "    print(connection.sql('select amount from debts').fetchall(), flush=True)\n",
            str(published.analytics),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert _ask(reader) == "[(1,)]\n"
        _publish(published, SECOND, 2)
        assert _ask(reader) == "[(1,)]\n"
        assert _read(published) == (2, datetime(2026, 3, 3, 8))
    finally:
        reader.communicate()


CHANGES = {
    "nothing": "select 1",
    "a row changes": "update debts set amount = 7, updated_at = '2026-01-02' where debt_id = '5'",
    "a row is added": "insert into debts select * replace ('new' as debt_id,"
    " timestamp '2026-01-02' as updated_at) from debts where debt_id = '5'",
    "a version ends": "update debts_history set dbt_valid_to = '2026-01-02' where dbt_scd_id = '5'",
    "a row is changed by hand": "update debts set amount = 7 where debt_id = '5'",
    "two rows change places": "update debts set amount = 11 - amount where amount in (5, 6)",
    "a row is gone": "delete from debts where debt_id = '5'",
    "all rows are gone": "delete from debts",
    "a column is added": "alter table debts add column more integer default 3",
    "a column has another type": "alter table debts alter column amount type varchar",
    "a small table changes": "update intake_files set amount = 7",
    "a file is delivered": "create or replace view deliveries as select 7 as amount",
}
# Which table a change makes another one than that of the copy, if it is none of debts.
CHANGED = {
    "nothing": [],
    "a version ends": ["debts_history"],
    "a small table changes": ["intake_files"],
    "a file is delivered": [],
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changed_is_found_and_the_next_copy_is_what_the_warehouse_is(
    home: Home, change: str
) -> None:
    """R28."""
    with warehouse.connect(home) as connection:
        _make_tables(connection)
        for table in ("debts", "debts_history"):
            connection.execute(
                f"create or replace table marts.main.{table} as select held.* replace ("
                " range::integer as amount, range::varchar as debt_id,"
                f" range::varchar as dbt_scd_id) from main.{table} as held cross join range(10)"
            )
        published_copy.publish(connection, home)
    with warehouse.connect(home) as connection:
        connection.execute(CHANGES[change])
        differing = published_copy.find_differences(connection, home)
        assert differing == CHANGED.get(change, ["debts"])
        rows = published_copy.publish(connection, home)
    with warehouse.reading(home) as connection:
        assert published_copy.find_differences(connection, home) == []
        expected = {table: _content(connection, table) for table in published_tables()}
    with published_copy.reading(home) as published:
        assert {table: _content(published, table) for table in published_tables()} == expected
    assert rows == {table: len(content) - 1 for table, content in expected.items()}


def test_the_functions_for_analysts_are_in_the_copy(home: Home) -> None:
    with warehouse.connect(home) as connection:
        _make_tables(connection)
        connection.execute("create or replace macro marts.main.normal_id(text) as upper(text)")
        connection.execute(
            "create macro marts.main.amounts_between(least, most) as table"
            " select amount from debts where amount between least and most"
        )
        published_copy.publish(connection, home)
    with published_copy.reading(home) as copy:
        assert copy.execute("select normal_id('a')").fetchall() == [("A",)]
        assert copy.execute("from amounts_between(1, 1)").fetchall() == [(1,)]
        assert copy.execute("from amounts_between(2, 3)").fetchall() == []


def test_a_home_may_have_an_apostrophe_in_its_path(tmp_path: Path) -> None:
    home = Home(tmp_path / "o'higgins", PROJECT / "seeds")
    home.create()
    with warehouse.connect(home) as connection:
        _make_tables(connection)
        published_copy.publish(connection, home)
    with warehouse.reading(home) as connection:
        assert published_copy.find_differences(connection, home) == []


def _break(home: Home) -> None:
    home.analytics.write_bytes(b"x" * 50_000)


def _make_older(home: Home) -> None:
    with duckdb.connect(str(home.analytics)) as copy:
        copy.execute("drop table deliveries")


@pytest.mark.parametrize("harm", [_break, _make_older, lambda home: home.analytics.unlink()])
def test_a_delivery_renews_a_copy_that_cannot_show_it(
    published: Home, harm: Callable[[Home], None]
) -> None:
    harm(published)
    with warehouse.connect(published) as connection:
        published_copy.renew_after_delivery(connection, published)
        assert published_copy.find_differences(connection, published) == []
    with published_copy.reading(published) as copy:
        assert copy.execute("select amount from deliveries").fetchall() == [(1,)]


def test_a_delivery_renews_a_copy_that_does_not_show_it_and_no_other(published: Home) -> None:
    with warehouse.connect(published) as connection:
        published_copy.renew_after_delivery(connection, published)
    assert _read(published) == (1, datetime(2026, 3, 2, 8))
    with warehouse.connect(published) as connection:
        connection.execute(CHANGES["a file is delivered"])
    (published.landing / "_loads" / "00000001.json").touch()
    with warehouse.connect(published) as connection:
        published_copy.renew_after_delivery(connection, published)
    # The tests of a load that has landed may still fail.
    assert _read(published) == (1, datetime(2026, 3, 2, 8))
    (published.landing / "_loads" / "00000001.json").unlink()
    with warehouse.connect(published) as connection:
        published_copy.renew_after_delivery(connection, published)
    assert _read(published)[1] != datetime(2026, 3, 2, 8)
    with published_copy.reading(published) as copy:
        assert copy.execute("select amount from deliveries").fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("landed", "finished", "unfinished", "left"),
    [
        (0, [], [], 0),
        (2, [], [], 2),
        (2, [1], [], 1),
        (2, [1], [2], 1),
        (3, [1], [2], 2),
        (0, [1], [], 0),
    ],
)
def test_a_load_is_to_be_carried_until_it_has_completed_the_models(
    home: Home, landed: int, finished: list[int], unfinished: list[int], left: int
) -> None:
    for load_id in range(1, landed + 1):
        (home.landing / "_loads" / f"{load_id:08d}.json").touch()
    with warehouse.connect(home) as connection:
        for load_id in (*finished, *unfinished):
            connection.execute(
                "insert into raw.loads values (?, '2026-03-03', '2026-03-03', '', ?)",
                [load_id, "2026-03-03" if load_id in finished else None],
            )
        assert published_copy.count_loads_to_carry(connection, home) == left


def test_a_damaged_copy_is_named_by_whoever_compares_it(published: Home) -> None:
    _break(published)
    with (
        warehouse.connect(published) as connection,
        pytest.raises(DamagedError, match=re.escape(str(published.analytics))),
    ):
        published_copy.find_differences(connection, published)


@pytest.fixture
def machine_in_santiago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as here:
        here.setenv("TZ", "America/Santiago")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("machine_in_santiago")
def test_a_copy_says_it_in_utc_wherever_the_machine_is(published: Home) -> None:
    assert _read(published) == (1, datetime(2026, 3, 2, 8))


@pytest.mark.parametrize("damage", [b"", b"not a database", b"x" * 50_000])
def test_a_damaged_copy_is_made_anew(published: Home, damage: bytes) -> None:
    published.analytics.write_bytes(damage)
    _publish(published, SECOND, 2)
    assert _read(published) == (2, datetime(2026, 3, 3, 8))
    assert _parts(published) == []


@pytest.mark.parametrize("share", range(4))
def test_a_copy_that_is_damaged_anywhere_is_made_anew(published: Home, share: int) -> None:
    content = published.analytics.read_bytes()
    published.analytics.write_bytes(flip(content, len(content) * share // 4 + 100))
    assert _publish(published, SECOND, 2) == dict.fromkeys(published_tables(), 1)
    with warehouse.reading(published) as connection, published_copy.reading(published) as copy:
        assert _content(copy, "debts") == _content(connection, "debts")
    assert _parts(published) == []


def test_nothing_is_published_of_a_load_that_is_not_finished(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R28: its tests may have failed, or have yet to."""
    monkeypatch.setenv("SALDO_HOME", str(home.root))
    manifests.write_manifest(home, manifests.Manifest(1, FIRST, FIRST.date()))
    with warehouse.connect(home) as connection:
        _make_tables(connection)
        load = {"load_id": 1, "loaded_at": FIRST, "business_date": FIRST.date(), "contracts": ""}
        warehouse.insert(connection, "loads", [load])
    assert _materialise() == 1
    assert not home.analytics.exists()
    with warehouse.connect(home) as connection:
        warehouse.finish_load(connection, 1)
    assert _materialise() == 0
    assert _read(home)[0] == 1


def _materialise() -> object:
    """Make the published copy alone, as one may in Dagster's UI; how many loads it waits for."""
    result = dg.materialize(
        [analytics], partition_key="2026-03-02", resources={"installation": hold_installation}
    )
    (materialization,) = result.asset_materializations_for_node("published__analytics")
    return materialization.metadata["loads_to_carry"].value


def _content(connection: duckdb.DuckDBPyConnection, table: str) -> list[object]:
    """The columns of a table and its rows."""
    relation = connection.execute(f"from main.{table} order by all")
    return [relation.description, *relation.fetchall()]


def test_what_is_not_published_is_not_in_the_copy(home: Home) -> None:
    """Neither what landed, nor what a killed build or an analyst left beside the marts."""
    with warehouse.connect(home) as connection:
        _make_tables(connection)
        connection.execute("create table raw.letters as select 'Marta' as written_by")
        connection.execute("create table marts.main.debts__dbt_backup as from marts.main.debts")
        connection.execute("create view marts.main.mine as select 1 as one")
        connection.execute("create schema marts.lab")
        connection.execute("create table marts.lab.debts as select 1 as one")
        published_copy.publish(connection, home)
    assert b"Marta" in home.warehouse.read_bytes()
    assert b"Marta" not in home.analytics.read_bytes()
    with published_copy.reading(home) as copy:
        assert {
            row[:2]
            for row in copy.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        } == {("main", table) for table in (*published_tables(), "published_at")}
        assert {
            row[0]
            for row in copy.execute(
                "select function_name from duckdb_functions() where not internal"
            ).fetchall()
        } == {"debts_as_of"}


HOLDS = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reads")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("holder", ["reads", "writes"])
def test_marts_that_another_process_has_open_are_not_copied_by_halves(
    published: Home, holder: str
) -> None:
    """R29: the process is named, and waited for like one that has the warehouse open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(published.marts), holder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with (
            pytest.raises(
                WarehouseBusyError, match=f"marts.duckdb is held by process {process.pid};"
            ),
            warehouse.connect(published) as connection,
        ):
            published_copy.publish(connection, published, lambda: SECOND)
        part = published.root / "part"
        if holder == "writes":
            with pytest.raises(WarehouseBusyError, match="another process writes to"):
                published_copy._copy_marts(published, part)
        else:
            published_copy._copy_marts(published, part)
            assert part.read_bytes() == published.marts.read_bytes()
        process.communicate()
    assert _read(published) == (1, datetime(2026, 3, 2, 8))


def test_marts_that_were_copied_are_held_again_until_the_warehouse_is_closed(
    published: Home,
) -> None:
    """R29: whoever closes a file that the process has open elsewhere ends the lock on it."""
    with warehouse.connect(published) as connection:
        published_copy.publish(connection, published, lambda: SECOND)
        other = subprocess.run(
            [sys.executable, "-c", HOLDS, str(published.marts), "writes"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    assert f"(PID {os.getpid()})" in other.stderr


def test_marts_are_copied_where_the_system_copies_no_file(
    published: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    _publish(published, SECOND, 2)
    assert _read(published) == (2, datetime(2026, 3, 3, 8))


def test_a_failure_before_the_swap_leaves_the_former_copy_and_nothing_else(
    published: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {**published_tables(), "no_such_table": "no_such_model"}
    monkeypatch.setattr(published_copy, "published_tables", lambda: tables)
    with pytest.raises(duckdb.CatalogException), warehouse.connect(published) as connection:
        published_copy.publish(connection, published, lambda: SECOND)
    assert _read(published) == (1, datetime(2026, 3, 2, 8))
    assert _parts(published) == []


def test_what_a_killed_run_left_is_removed_by_the_next(published: Home) -> None:
    (published.root / ".0123456789abcdef.part").write_bytes(b"half a copy")
    (published.root / ".0123456789abcdef.part.wal").write_bytes(b"and its log")
    spilled, at_work = (published.scratch / f"reading_{name}" for name in ("dead", "alive"))
    for folder in (spilled, at_work):
        folder.mkdir()
        (folder / "duckdb_temp_storage_DEFAULT-0.tmp").touch()
    long_ago = time.time() - 90_000
    os.utime(spilled, (long_ago, long_ago))
    _publish(published, SECOND, 2)
    assert _read(published) == (2, datetime(2026, 3, 3, 8))
    assert _parts(published) == []
    assert list(published.scratch.iterdir()) == [at_work]


def test_a_full_disk_leaves_the_former_copy(
    home: Home, tmp_path: Path, mount_small_disk: Callable[..., None]
) -> None:
    small = Home(root=tmp_path / "small", seeds=home.seeds)
    small.root.mkdir()
    mount_small_disk(small.root, megabytes=60)
    _publish(small, FIRST, 1)
    with warehouse.connect(small) as connection:
        connection.execute(
            "insert into marts.main.debts select held.* replace (hash(range)::varchar as debt_id)"
            " from main.debts as held cross join range(300000)"
        )
    too_little = small.marts.stat().st_size // 2
    (small.root / "filler").write_bytes(bytes(shutil.disk_usage(small.root).free - too_little))
    with pytest.raises((duckdb.Error, OSError)), warehouse.connect(small) as connection:
        published_copy.publish(connection, small, lambda: SECOND)
    assert _read(small) == (1, datetime(2026, 3, 2, 8))
    assert _parts(small) == []


def _ask(reader: subprocess.Popen[str]) -> str:
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("\n")
    reader.stdin.flush()
    return reader.stdout.readline()


@pytest.mark.parametrize("time_zone", ["UTC", "America/Santiago", "Asia/Kolkata"])
@pytest.mark.parametrize(
    "instant",
    [
        "timestamp '2026-03-03 11:00:00'",
        "'2026-03-03 11:00:00'",
        "'2026-03-03 08:00:00-03'",
        "'2026-03-03T11:00:00Z'",
        "'2026-03-03 16:30:00.5+05:30'",
        "timestamptz '2026-03-03 11:00:00+00'",
    ],
)
def test_the_base_of_an_instant_is_the_same_in_any_session(
    home: Home, time_zone: str, instant: str
) -> None:
    """R10: times are UTC, whatever the time zone of who asks."""
    with warehouse.connect(home) as connection:
        _make_tables(connection)
        connection.execute(
            "create or replace table marts.main.debts_history as select held.*"
            " replace (rows.amount as amount, valid_from as dbt_valid_from,"
            " valid_to as dbt_valid_to) from main.debts_history as held cross join (values"
            " (1, timestamp '2026-03-03 10:00', timestamp '2026-03-03 11:30'),"
            " (2, timestamp '2026-03-03 11:30', null)) as rows (amount, valid_from, valid_to)"
        )
        published_copy.publish(connection, home)
    with published_copy.reading(home) as connection:
        connection.execute(f"set TimeZone = '{time_zone}'")
        rows = connection.execute(f"select amount from debts_as_of({instant})").fetchall()
    assert rows == [(1,)]


def test_only_its_user_reads_a_copy(published: Home) -> None:
    assert stat.S_IMODE(published.analytics.stat().st_mode) == 0o600


def test_the_group_of_a_home_of_mode_0710_reads_the_copy_and_nothing_else(published: Home) -> None:
    group = next(iter(os.getgroups()), os.getgid())
    os.chown(published.root, -1, group)
    published.root.chmod(0o710)
    _publish(published, SECOND, 2)
    published.create()  # takes nothing of it back
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (published.root, *published.root.iterdir())
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    }
    assert modes == {"home": 0o710, "analytics.duckdb": 0o640}
    assert published.analytics.stat().st_gid == group
    published.root.chmod(0o700)
    published.create()
    assert stat.S_IMODE(published.analytics.stat().st_mode) == 0o600


def test_a_group_that_is_not_the_users_is_told_and_the_former_copy_stays(
    published: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    published.root.chmod(0o710)
    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(ForeignHomeError, match="is not of that group: add the user to it"):
        _publish(published, SECOND, 2)
    assert _read(published) == (1, datetime(2026, 3, 2, 8))
    assert _parts(published) == []
