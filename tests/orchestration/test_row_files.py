"""Rows in Parquet files (R31): none is lost, altered or left over, whatever becomes of a file."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import duckdb
import pytest

from orchestration import runs
from orchestration.installation import databases, row_views, warehouse, whole_files
from orchestration.installation.damage import DamagedError
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import loading, loads, rebuilding, restoring
from orchestration.landing import manifests, row_files, store
from orchestration.landing.row_files import RowFile
from orchestration.reports import verifying
from tests.orchestration.building import dbt_output
from tests.orchestration.damaging import flip
from tests.orchestration.houses import Deposit, House
from tests.orchestration.landed import DAY, DEBTS, carry, land, make
from tests.orchestration.starting import copy_home

ROWS = [
    (load_id, line, product) for load_id in (1, 2, 3) for line, product in ((2, "A-1"), (3, "A-2"))
]


@pytest.fixture
def landed(tmp_path: Path) -> Home:
    home = make(Home(tmp_path / "home", tmp_path / "seeds"))
    carry(home)
    return home


def _listed(home: Home) -> list[RowFile]:
    with warehouse.connect(home) as connection:
        return row_files.read_listed(connection)


def _rows(home: Home) -> list[tuple[object, ...]]:
    with warehouse.connect(home) as connection:
        return connection.execute(
            "select load_id, line_number, product_id from raw.invoices order by all"
        ).fetchall()


def _kept(home: Home) -> set[Path]:
    return {path for path in home.rows.rglob("*") if path.is_file()}


def _require(
    home: Home,
    require: Callable[[duckdb.DuckDBPyConnection, Home, Say], None],
) -> list[str]:
    said: list[str] = []
    with warehouse.connect(home) as connection:
        require(connection, home, said.append)
    return said


def test_no_row_of_a_file_is_in_the_warehouse_and_all_are_read(landed: Home) -> None:
    with warehouse.connect(landed) as connection:
        tables = databases.count_rows(connection).keys()
        assert tables.isdisjoint({("raw", name) for name in row_views.row_tables()})
        columns = connection.execute(
            "select * exclude (load_id, file_id) from raw.invoices where load_id = 2"
            " order by line_number"
        ).fetchall()
        assert connection.execute("from raw.customers").fetchall() == []
    nothing = (None,) * 7
    assert columns == [
        (2, "19153032-2", "A-1", "2026-04-01", "15000", *nothing, None),
        (3, "19153032-2", "A-2", "2026-04-01", "2", *nothing, None),
    ]
    assert _rows(landed) == ROWS


def test_a_load_has_one_file_for_each_kind_that_only_its_user_can_read(landed: Home) -> None:
    listed = _listed(landed)
    assert [(each.load_id, each.table_name, each.row_count) for each in listed] == [
        (load_id, "invoices", 2) for load_id in (1, 2, 3)
    ]
    assert _kept(landed) == {each.path(landed) for each in listed}
    assert {path.stat().st_mode & 0o777 for path in _kept(landed)} == {0o600}


def test_files_of_many_organizations_are_one_and_a_file_without_records_is_in_none(
    tmp_path: Path,
) -> None:
    names = [f"org_{number}" for number in range(5)]
    house = House.make(tmp_path, {name: {} for name in names})
    header = b"cliente,producto,vencimiento,monto\n"
    rows = [b"C%d,P,2026-04-01,1\n" % each for each in range(len(names))]
    house.land(*(Deposit(name, b"".join([header, *rows[:n]])) for n, name in enumerate(names)))
    with warehouse.connect(house.home) as connection:
        loads.carry_landed(connection, house.home)
        counted = connection.execute(
            "select organization_id, record_count, count(line_number), max(line_number)"
            " from raw.intake_files left join raw.invoices using (load_id, file_id)"
            " group by all order by all"
        ).fetchall()
    assert counted == [(name, n, n, n + 1 if n else None) for n, name in enumerate(names)]
    assert [each.row_count for each in _listed(house.home)] == [10]
    assert len(_kept(house.home)) == 1


def test_a_load_without_rows_has_no_file(tmp_path: Path) -> None:
    house = House.make(tmp_path, {"acme": {}})
    house.land(Deposit("acme", b"cliente,producto,vencimiento,monto\n"))
    with warehouse.connect(house.home) as connection:
        loads.carry_landed(connection, house.home)
        assert connection.execute("from raw.invoices").fetchall() == []
    assert _listed(house.home) == []
    assert _kept(house.home) == set()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "without its folder": lambda path: shutil.rmtree(path.parent),
    "without all of them": lambda path: shutil.rmtree(path.parents[2]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_a_build_reads_is_made_anew_and_said(
    landed: Home, damage: Callable[[Path], object]
) -> None:
    newest = _listed(landed)[-1].path(landed)
    damage(newest)
    what = "is not as it was written" if newest.exists() else "is missing"
    said = _require(landed, rebuilding.require_to_read)
    assert f"{newest} {what}: rebuilt from what landed" in said
    assert _rows(landed) == ROWS
    assert _kept(landed) == {each.path(landed) for each in _listed(landed)}
    assert _require(landed, rebuilding.require_all) == []


def test_every_changed_byte_is_noticed(landed: Home) -> None:
    newest = _listed(landed)[-1].path(landed)
    content = newest.read_bytes()
    chance = random.Random(7)
    said: list[str] = []
    with warehouse.connect(landed) as connection:
        for place in chance.sample(range(len(content)), 60):
            newest.write_bytes(flip(content, place))
            rebuilding.require_to_read(connection, landed, said.append)
            assert newest.read_bytes() == content
    assert len(said) == 60
    assert _rows(landed) == ROWS


def test_an_older_file_is_compared_by_whoever_reads_all(landed: Home) -> None:
    first = _listed(landed)[0].path(landed)
    content = first.read_bytes()
    first.write_bytes(flip(content, len(content) // 2))
    assert _require(landed, rebuilding.require_to_read) == []
    told = f"{first} is not as it was written"
    assert [each for each in verifying.verify(landed).findings if str(first) in each] == [
        f"{told}: `python -m orchestration restore` rebuilds it from what landed"
    ]
    said: list[str] = []
    restoring.restore_rows(landed, said.append)
    assert said == [f"{told}: rebuilt from what landed"]
    assert first.read_bytes() == content


def test_an_older_file_that_is_missing_is_made_anew_before_the_next_load(landed: Home) -> None:
    _listed(landed)[0].path(landed).unlink()
    land(landed, 4)
    said: list[str] = []
    with warehouse.connect(landed) as connection:
        loads.carry_landed(connection, landed, said.append)
    assert len(said) == 1
    assert _rows(landed) == [*ROWS, (4, 2, "A-1"), (4, 3, "A-2")]


def test_the_first_file_of_a_view_is_whole_before_the_next_load(landed: Home) -> None:
    """DuckDB takes the columns of all files from it."""
    newest = _listed(landed)[-1].path(landed)
    content = newest.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    newest.write_bytes(flip(content, footer))
    land(landed, 4)
    said: list[str] = []
    with warehouse.connect(landed) as connection:
        loads.carry_landed(connection, landed, said.append)
    assert said == [f"{newest} is not as it was written: rebuilt from what landed"]
    assert _rows(landed) == [*ROWS, (4, 2, "A-1"), (4, 3, "A-2")]


def test_the_first_file_of_a_view_that_a_load_does_not_touch_is_whole_too(landed: Home) -> None:
    newest = _listed(landed)[-1].path(landed)
    content = newest.read_bytes()
    newest.write_bytes(flip(content, len(content) - 9))
    manifest = land(landed, 4)
    manifests.write_manifest(landed, replace(manifest, files=()))
    said: list[str] = []
    with warehouse.connect(landed) as connection:
        loads.carry_landed(connection, landed, said.append)
    assert said == [f"{newest} is not as it was written: rebuilt from what landed"]
    assert _rows(landed) == ROWS


def test_what_is_of_no_load_is_told_and_removed(landed: Home) -> None:
    path = landed.rows / "invoices" / "load_id=9" / "of-a-later-load.parquet"
    path.parent.mkdir()
    path.write_bytes(DEBTS)
    said = f"{path} is of no load: `python -m orchestration restore` removes it"
    assert said in verifying.verify(landed).remarks
    restoring.restore_rows(landed, lambda _: None)
    assert not path.exists()
    assert _rows(landed) == ROWS


def test_a_file_is_made_anew_by_another_version_of_duckdb(landed: Home) -> None:
    """The hash of its rows is of their texts, and not DuckDB's own."""
    (row,) = [each for each in _listed(landed) if each.load_id == 3]
    with warehouse.connect(landed) as connection:
        lines = connection.execute(
            "select * exclude (load_id) from raw.invoices where load_id = 3"
        ).fetchall()
    total = 0
    for line in lines:
        texts = ["" if cell is None else str(cell) for cell in line]
        total ^= int.from_bytes(md5("\0".join(texts).encode()).digest(), "little")
    assert row.rows_hash == str(total)


def test_nobody_works_in_the_folder_of_the_rows(
    landed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(landed.rows)
    with (
        pytest.raises(row_views.UnusableHomeError, match="go to another folder"),
        warehouse.connect(landed),
    ):
        pass


def test_an_erasure_that_was_begun_comes_before_rows_that_are_missing(landed: Home) -> None:
    landed.erasure.touch()
    shutil.rmtree(landed.rows)
    with (
        warehouse.connect(landed) as connection,
        pytest.raises(loads.ErasureUnfinishedError),
    ):
        loads.carry_next(connection, landed, DAY, {})


def test_a_full_disk_is_told_by_who_makes_files_anew(
    landed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _listed(landed)[0].path(landed).unlink()

    def fill(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(row_files, "measure", fill)
    with pytest.raises(duckdb.IOException):
        restoring.restore_rows(landed, lambda _: None)


def test_a_file_is_read_with_those_that_a_build_compares_it_with(tmp_path: Path) -> None:
    house = House.make(tmp_path, {"acme": {}, "other": {}})
    content = b"cliente,producto,vencimiento,monto\nC,P,2026-04-01,%d\n"
    for number in range(3):
        house.land(Deposit("acme", content % number), Deposit("other", content % number))
    with warehouse.connect(house.home) as connection:
        for number in (1, 2, 3):
            loads.carry_landed(connection, house.home)
            warehouse.finish_load(connection, number)

        def read() -> list[int]:
            return [each.load_id for each in row_files.read_to_read(connection)]

        assert read() == [3]
        # a late file of one of them, beside which the newer ones are read
        connection.execute(
            "update raw.intake_files set business_date = '2026-01-01'"
            " where load_id = 3 and organization_id = 'acme'"
        )
        assert read() == [1, 2, 3]
        # a load without files: DuckDB takes the columns of all files from the first of a view
        connection.execute("delete from raw.row_files where load_id = 3")
        connection.execute("delete from raw.intake_files where load_id = 3")
        assert read() == [2]
        # of a decision on a held file of the first load
        connection.execute(
            "insert into raw.intake_decisions select 3, file_id, 'approved', '2026-03-03'"
            " from raw.intake_files where load_id = 1 limit 1"
        )
        assert read() == [1, 2]


def test_a_file_is_compared_whose_load_is_between_those_that_are_joined(tmp_path: Path) -> None:
    house = House.make(tmp_path, {"acme": {}, "other": {}})
    content = b"cliente,producto,vencimiento,monto\nC,P,2026-04-01,1\n"
    for organization in ("acme", "acme", "other", "acme"):
        house.land(Deposit(organization, content))
    with warehouse.connect(house.home) as connection:
        for number in range(1, 5):
            loads.carry_landed(connection, house.home)
            warehouse.finish_load(connection, number)
        # a late file, than which that of the second load is newer
        connection.execute(
            "update raw.intake_files set business_date = '2026-03-01' where load_id = 4"
        )
        assert [each.load_id for each in row_files.read_to_read(connection)] == [2, 3, 4]


def test_rows_that_are_read_otherwise_by_now_are_refused(
    landed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = _listed(landed)[-1]
    newest.path(landed).unlink()
    measure = row_files.measure
    monkeypatch.setattr(row_files, "measure", lambda *given: (measure(*given)[0], "other rows"))
    with pytest.raises(DamagedError) as raised:
        _require(landed, rebuilding.require_to_read)
    assert str(raised.value) == (
        f"{newest.path(landed)} is missing, and what landed is not read to the same rows any more:"
        " `python -m orchestration replay` rebuilds the warehouse"
    )
    assert newest in _listed(landed)


def test_rows_whose_landed_bytes_are_damaged_too_are_refused_by_name(landed: Home) -> None:
    newest = _listed(landed)[-1]
    newest.path(landed).unlink()
    manifest = manifests.read_manifest(landed, 3)
    assert manifest is not None
    path = store.stored_path(landed, manifest.files[0])
    content = path.read_bytes()
    path.write_bytes(flip(content, 3))
    with pytest.raises(DamagedError, match=f"{path} is not as it was written"):
        _require(landed, rebuilding.require_to_read)
    path.write_bytes(content)
    assert len(_require(landed, rebuilding.require_to_read)) == 1
    assert _rows(landed) == ROWS


def test_a_missing_file_is_an_error_and_not_fewer_rows(landed: Home) -> None:
    first = _listed(landed)[0]
    first.path(landed).unlink()
    with warehouse.connect(landed) as connection:
        for sql in ("from raw.invoices", "from raw.invoices where load_id = 3"):
            with pytest.raises(duckdb.IOException, match=first.sha256):
                connection.execute(sql)


class Killed(BaseException):
    """What a step is killed by."""


STEPS: dict[str, tuple[object, str]] = {
    "before the rows are on the disk": (row_files.os, "fsync"),
    "before they have their name": (Path, "replace"),
    "before their folder is on the disk": (row_files, "sync_folder"),
    "before they are listed": (row_files, "add_listed"),
    "before the load counts": (loading, "_load_events"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_killed_load_lists_nothing_and_leaves_nothing(
    landed: Home, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str]
) -> None:
    land(landed, 4)

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(*step, kill)
        with warehouse.connect(landed) as connection, pytest.raises(Killed):
            loads.carry_landed(connection, landed)
    assert _rows(landed) == ROWS
    # as after a kill that left no time to remove anything
    folder = landed.rows / "invoices" / "load_id=4"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".1.part").write_bytes(b"PAR1")
    (folder / "of-a-former-attempt.parquet").write_bytes(b"PAR1")
    carry(landed)
    assert _rows(landed) == [*ROWS, (4, 2, "A-1"), (4, 3, "A-2")]
    assert _kept(landed) == {each.path(landed) for each in _listed(landed)}


def test_a_replay_writes_the_same_files_and_leaves_no_others(landed: Home) -> None:
    former = {path: path.read_bytes() for path in _kept(landed)}
    (landed.rows / "invoices" / "load_id=1" / "left.parquet").write_bytes(DEBTS)
    runs.set_aside(landed, lambda _: None)
    assert _kept(landed) == set()
    carry(landed)
    assert {path: path.read_bytes() for path in _kept(landed)} == former


def test_a_warehouse_that_is_put_back_after_a_replay_finds_its_rows(landed: Home) -> None:
    runs.set_aside(landed, lambda _: None)
    for former, aside in landed.set_aside.items():
        aside.replace(former)
    assert len(_require(landed, rebuilding.require_to_read)) == 3
    assert _rows(landed) == ROWS


def test_a_home_that_was_moved_reads_its_own_rows(
    landed: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "another [place]*"
    shutil.copytree(landed.root, root)
    moved = Home(root, landed.seeds)
    shutil.rmtree(landed.rows)
    monkeypatch.chdir(tmp_path)
    assert _rows(moved) == ROWS
    with pytest.raises(duckdb.IOException):
        _rows(landed)


@pytest.mark.parametrize("name", ["a,b", "customer_id=7"])
def test_a_home_whose_path_says_something_of_rows_is_refused(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / name / "home", tmp_path / "seeds")
    home.create()
    with (
        pytest.raises(row_views.UnusableHomeError, match="name a folder"),
        warehouse.connect(home),
    ):
        pass


def test_rows_in_tables_of_an_older_version_are_told(landed: Home) -> None:
    with warehouse.connect(landed) as connection:
        connection.execute("create or replace temp table rows as from raw.invoices")
        connection.execute("drop view raw.invoices")
        connection.execute("create table raw.invoices as from temp.rows")
    with (
        warehouse.connect(landed) as connection,
        pytest.raises(warehouse.OlderWarehouseError) as raised,
    ):
        loads.carry_landed(connection, landed)
    assert str(raised.value) == (
        "the warehouse is of an older version, with the rows of files in raw.invoices:"
        " `python -m orchestration replay` rebuilds it from the landing area"
    )


@pytest.fixture(name="year")
def _year(landed: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with 400 loads of rows."""
    former = _listed(landed)[0]
    with warehouse.connect(landed) as connection:
        added = [
            RowFile(load_id, "invoices", former.sha256, former.byte_count, 2, former.rows_hash)
            for load_id in range(4, 401)
        ]
        for each in added:
            path = each.path(landed)
            path.parent.mkdir()
            path.hardlink_to(former.path(landed))
        row_files.add_listed(connection, added)
        monkeypatch.setattr(whole_files, "sync_folder", lambda _: None)
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "select * from raw.invoices where load_id = 17",
        "select * from raw.invoices inner join files using (load_id)",
        "select * from raw.invoices where load_id in (select load_id from files)",
    ],
)
def test_no_file_of_another_load_is_opened(year: duckdb.DuckDBPyConnection, sql: str) -> None:
    year.execute("create temp table files as select 17::bigint as load_id")
    assert len(year.execute(sql).fetchall()) == 2
    plan = str(year.execute(f"explain analyze {sql}").fetchall()[0][1])
    assert plan.count("Total Files Read: 1 ") == 1, plan


def test_of_loads_that_many_rows_name_no_file_is_opened_but_theirs_and_those_between(
    year: duckdb.DuckDBPyConnection,
) -> None:
    year.execute(
        "create temp table files as"
        " select case when line % 2 = 0 then 17 else 20 end::bigint as load_id"
        " from range(1000) as lines (line)"
    )
    sql = "select count(*) from raw.invoices inner join files using (load_id)"
    assert year.execute(sql).fetchall() == [(2000,)]
    plan = str(year.execute(f"explain analyze {sql}").fetchall()[0][1])
    opened = re.search(r"Total Files Read: (\d+)", plan)
    assert opened is not None, plan
    assert int(opened[1]) <= 4, plan


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two loads that went through the models."""
    house = House.make(tmp_path_factory.mktemp("built"), {"acme": {}})
    for amount in (1, 2):
        house.load(
            Deposit("acme", b"cliente,producto,vencimiento,monto\nC,P,2026-04-01,%d\n" % amount)
        )
    return house.home


@pytest.mark.parametrize(
    "lost", ["intermediate.int_debts__hashed", "marts.debts", "intermediate.int_customers__checked"]
)
def test_dbt_compares_all_files_where_a_table_is_missing_that_is_made_of_all_rows(
    built: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    home = copy_home(built, tmp_path / "home")
    first = _listed(home)[0].path(home)
    content = first.read_bytes()
    first.write_bytes(flip(content, len(content) // 2))
    command = ("seed", "--select", "bank_holidays")
    assert dbt_output(home, *command).returncode == 0
    with warehouse.connect(home) as connection:
        connection.execute(f"drop table {lost}")
    for is_of_a_run in (False, True):
        if is_of_a_run:
            monkeypatch.setenv(row_views.CHECKED, "1")
        stopped = dbt_output(home, *command)
        assert stopped.returncode != 0
        assert f"{first.name} is not as it was written" in stopped.stdout
