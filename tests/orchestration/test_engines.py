"""On which engine models are built (R33): what is told where that cannot be, what is brought back.

What needs Spark itself is in `tests/spark`.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import duckdb
import pytest

from orchestration import runs
from orchestration.contracts.organizations import read_organizations
from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import engines, spark, standing, warehouse
from orchestration.installation.databases import quoted
from orchestration.installation.dbt_project import CONNECT, fingerprint
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.project_yaml import raw_tables
from orchestration.installation.spark import NoSparkError, NotBroughtBackError, Spark
from orchestration.privacy import erasure
from tests.orchestration.installations import Installed, install

ON_SPARK = {"SALDO_TARGET": "spark"}
DATABASES = ("warehouse", "marts")
# Tables of `raw` of which all rows are lent: they have no load, or change after it.
LENT_WHOLE = {
    "contract_channels",
    "contract_organizations",
    "contract_statuses",
    "deliveries",
    "loads",
}
# Hashes of rows stay on Spark.
WITH_HASHES = {
    "warehouse.intermediate.int_debts__hashed",
    "warehouse.intermediate.int_invoices__checked",
}

Rows = list[tuple[object, ...]]
# A home, the fingerprint of its project, and the rows of its tables.
Lent = tuple[Home, str, dict[str, Rows]]


@pytest.fixture
def lent(tmp_path: Path) -> Lent:
    """A home of one day, for whose tables the project is noted, after its rows were lent."""
    with install(tmp_path, Installed, 1) as installed:
        home = installed.home
    project = fingerprint(home)
    with warehouse.connect(home) as connection:
        standing.note_build(connection, home, project, ())
        former = _read(connection)
        Spark().lend(connection, home)
    return home, project, former


def test_without_pyspark_nothing_is_taken_and_the_command_says_what_has_it(tmp_path: Path) -> None:
    with install(tmp_path, Installed) as installed:
        installed.upload(DAYS[0])

        ran = installed.command("run", "--date", DAYS[0].isoformat(), **ON_SPARK)

        said = ran.stdout + ran.stderr
        assert ran.returncode == 1
        assert "this Python has no PySpark: use .venv/spark/bin/python" in said
        assert not list((installed.home.landing / "_loads").iterdir())


def test_a_check_tells_that_the_engine_cannot_run_and_one_of_the_contracts_alone_does_not(
    tmp_path: Path,
) -> None:
    """Once the servers are in order, the first run would stop."""
    with install(tmp_path, Installed) as installed:
        checked = installed.command("check", **ON_SPARK)
        assert checked.returncode == 1
        assert "this Python has no PySpark" in checked.stdout + checked.stderr
        assert installed.command("check", "--offline", **ON_SPARK).returncode == 0


def test_without_java_it_is_told_before_the_engine_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    monkeypatch.setattr(spark, "find_spec", lambda _: True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("SALDO_TARGET", "spark")
    with warehouse.connect(home) as connection:
        with pytest.raises(NoSparkError, match="there is no `java`"):
            engines.check(connection, home)
        monkeypatch.setenv("SALDO_TARGET", "dev")
        engines.check(connection, home)


def test_a_warehouse_that_an_older_version_made_is_of_duckdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    monkeypatch.setenv("SALDO_TARGET", "dev")
    with warehouse.connect(home) as connection:
        connection.execute(
            "insert into raw.loads (load_id, loaded_at, business_date, contracts)"
            " values (1, '2026-03-02', '2026-03-02', 'x')"
        )
        engines.check(connection, home)
        monkeypatch.setenv("SALDO_TARGET", "spark")
        with pytest.raises(engines.OtherEngineError, match="are built on duckdb"):
            engines.check(connection, home)


@pytest.mark.parametrize("name", ["it's [mine]", "here, too"])
def test_a_home_whose_path_spark_takes_for_a_pattern_or_for_several_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: True)
    monkeypatch.setattr(spark, "require_java", lambda: "17")
    with pytest.raises(NoSparkError, match="whose path has none of"):
        Spark().require(Home(tmp_path / name, PROJECT / "seeds"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", r"names no server of a cluster: it must be like sc://HOST:15002"),
        ("spark://127.0.0.1:7077", "names no server of a cluster"),
        ("sc://127.0.0.1:15002;token=secret", "(?!.*secret)^.*names no server of a cluster"),
        ("sc://127.0.0.1;token=secret", "(?!.*secret)^.*names no server of a cluster"),
        ("sc://127.0.0.1:99999", "names no server of a cluster"),
        ("sc://a..b", "names no server of a cluster"),
        ("sc://127.0.0.1:{closed}/;user_id=x", r"no Spark Connect server answers at 127\.0\.0\.1:"),
    ],
)
def test_a_cluster_without_a_server_that_answers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    """Java is not looked for: it is where the server is. Whether it is one, PySpark asks then.

    Beside a session that is at work no worker may have a core, and none is asked.
    """
    asked: list[tuple[str, bool]] = []

    def require(address: str, *, asks_worker: bool) -> None:
        asked.append((address, asks_worker))

    monkeypatch.setattr(spark, "find_spec", lambda _: True)
    monkeypatch.setattr(spark, "_connect", lambda: SimpleNamespace(require=require))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SALDO_TARGET", "spark_connect")
    home = Home(tmp_path, PROJECT / "seeds")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("SALDO_SPARK_REMOTE", f"sc://127.0.0.1:{port}")
        engines.chosen().require(home)
        home.spark_session.parent.mkdir(parents=True, exist_ok=True)
        home.spark_session.touch()
        engines.chosen().require(home)
        assert asked == [(f"sc://127.0.0.1:{port}", True), (f"sc://127.0.0.1:{port}", False)]
    monkeypatch.setenv("SALDO_SPARK_REMOTE", address.format(closed=port))
    with pytest.raises(NoSparkError, match=told):
        engines.chosen().require(home)


def test_upon_loads_of_another_engine_nothing_is_built(tmp_path: Path) -> None:
    with install(tmp_path, Installed, 1) as installed:
        home = installed.home
        installed.upload(DAYS[1])

        ran = installed.command("run", "--date", DAYS[1].isoformat(), **ON_SPARK)

        assert ran.returncode == 1
        assert "built on duckdb, and would be on spark in" in ran.stdout + ran.stderr
        assert len(list((home.landing / "_loads").iterdir())) == 1


def test_a_home_that_was_moved_is_not_built_upon_where_spark_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALDO_TARGET", "spark")
    with install(tmp_path, Installed, 1) as installed:
        home = installed.home
    moved = Home(tmp_path / "moved", home.seeds)
    with warehouse.connect(home) as connection:
        place = Spark().place(moved)
        connection.execute("create or replace table main.engine as select ? as engine", [place])
        with pytest.raises(engines.OtherEngineError, match=f"{moved.spark}, and would be on spark"):
            engines.check(connection, home)


def test_tables_on_spark_do_not_outlive_the_warehouse_whatever_the_engine(tmp_path: Path) -> None:
    """So an erasure, which replays, leaves nobody there: not in a file that nothing names."""
    with install(tmp_path, Installed, 1) as installed:
        left = installed.home.spark / "tables" / "main" / "no_model" / "left.parquet"
        left.parent.mkdir(parents=True)
        left.touch()

        runs.set_aside(installed.home, lambda _: None)

        assert not installed.home.spark.exists()


def test_a_session_that_this_python_cannot_end_is_told_and_nothing_is_changed(
    tmp_path: Path,
) -> None:
    with install(tmp_path, Installed, 1) as installed:
        home = installed.home
    home.spark.mkdir()
    home.spark_session.touch()

    landed = _bytes_below(home.landing)
    lumina = next(
        each for each in read_organizations(home.seeds) if each.organization_id == "lumina"
    )

    def say(_: str) -> None: ...

    for act in (
        lambda: runs.set_aside(home, say),
        lambda: erasure.erase(home, lumina, ["19153032-2"], say),
        lambda: erasure.finish(home, say),
    ):
        with pytest.raises(
            NoSparkError, match=r"a session that is to be ended, but this Python has no"
        ):
            act()

    assert home.spark.exists()
    assert home.warehouse.exists()
    assert not home.erasure.exists()
    assert _bytes_below(home.landing) == landed


def test_where_the_engine_cannot_run_or_is_another_one_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with install(tmp_path, Installed, 1) as installed:
        home = installed.home
    monkeypatch.setenv("SALDO_TARGET", "spark")
    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    landed = _bytes_below(home.landing)
    lumina = next(
        each for each in read_organizations(home.seeds) if each.organization_id == "lumina"
    )

    def say(_: str) -> None: ...

    with pytest.raises(NoSparkError, match="this Python has no PySpark"):
        runs.set_aside(home, say)
    for begun in (False, True):
        if begun:
            request = erasure.Request("lumina", "rut", {"19153032-2": "borrado-1"})
            home.erasure.write_text(json.dumps(asdict(request)))
        with pytest.raises(
            engines.OtherEngineError,
            match=r"built on duckdb.*: set SALDO_TARGET to what it was, or .* replay",
        ):
            erasure.erase(home, lumina, ["19153032-2"], say)
        assert home.erasure.exists() is begun

    assert home.warehouse.exists()
    assert _bytes_below(home.landing) == landed


@pytest.mark.parametrize(
    ("target", "left"), [("spark", {"another"}), (CONNECT, {"another", "blockmgr-1", "spark-2"})]
)
def test_what_a_killed_java_left_is_deleted_before_the_next_build_but_not_a_server_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, left: set[str]
) -> None:
    """A server that has its `spark.local.dir` there would lose what it is at."""
    monkeypatch.setenv("SALDO_TARGET", target)
    monkeypatch.setattr(spark, "_connect", lambda: SimpleNamespace(begin=lambda *_: ""))
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    for name in ("blockmgr-1/0a", "spark-2/pyspark-3", "another/1"):
        (home.scratch / name).mkdir(parents=True)
    with warehouse.connect(home) as connection:
        Spark().lend(connection, home)
    ours = {"lent_to_spark", "made_by_spark"}
    assert {path.name for path in home.scratch.iterdir()} - ours == left


def _bytes_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rows_that_change_after_their_load_are_lent_with_each_load() -> None:
    assert {name for name, table in raw_tables().items() if not table.is_by_load} == LENT_WHOLE


def test_of_each_table_that_is_lent_its_number_of_rows_is_lent_too(lent: Lent) -> None:
    folder = lent[0].scratch / "lent_to_spark"
    with duckdb.connect() as connection:
        said = connection.execute(f"select * from '{folder / 'counts.parquet'}'").fetchall()
        counted = [
            (name, len(connection.execute(f"select 1 from '{folder / name}.parquet'").fetchall()))
            for name in raw_tables()
        ]
    assert said == counted
    assert ("invoices", 0) not in said


def test_of_each_time_zone_of_a_contract_the_local_times_about_the_load_are_lent(
    lent: Lent,
) -> None:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        times = connection.execute(
            "select time_zone, instant::timestamp, local_time::timestamp from read_parquet(?)",
            [str(lent[0].scratch / "lent_to_spark" / "time_zones.parquet")],
        ).fetchall()
    with warehouse.reading(lent[0]) as connection:
        ((loaded_at,),) = connection.execute("select loaded_at from raw.loads").fetchall()
    months = {
        datetime(loaded_at.year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
        for month in range(loaded_at.month - 12, loaded_at.month + 13)
    }
    assert sorted(times) == sorted(
        (zone, month, month.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        for zone in ("America/Punta_Arenas", "America/Santiago")
        for month in months
    )


def test_what_spark_has_made_becomes_the_rows_of_the_warehouse_whenever_it_is_cut_off(
    lent: Lent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark's files are written from DuckDB's own tables here; the debts have other amounts."""
    home, project, former = lent
    with warehouse.connect(home) as connection:
        _make_as_spark_does(connection, home.scratch / "made_by_spark")
    with monkeypatch.context() as cut_off:
        cut_off.setattr(spark, "_replace_rows", _until("main.payments"))
        with pytest.raises(InterruptedError):
            Spark().bring_back(home, project)
    Spark().bring_back(home, project)
    with warehouse.connect(home) as connection:
        brought = _read(connection)
        summed = connection.execute("select sum(amount) from marts.main.debts").fetchone()
    differing = {name for name, rows in brought.items() if rows != former[name]}
    assert differing == {"marts.main.debts", *WITH_HASHES}
    count = len(former["marts.main.debts"])
    assert summed == (sum(row[-1] for row in former["marts.main.debts"]) + count,)


def test_a_table_that_spark_has_not_made_is_told_and_no_row_is_changed(lent: Lent) -> None:
    home, project, former = lent
    with pytest.raises(
        NotBroughtBackError, match=r"Spark has no intermediate\.int_balances__moved"
    ):
        Spark().bring_back(home, project)
    with warehouse.connect(home) as connection:
        assert _read(connection) == former


@pytest.mark.parametrize("is_twice", [False, True])
def test_rows_that_were_lost_on_the_way_or_are_there_twice_are_told_and_no_row_is_changed(
    lent: Lent, *, is_twice: bool
) -> None:
    """A worker has written elsewhere, or a statement of a killed run beside the next one."""
    home, project, former = lent
    made = home.scratch / "made_by_spark"
    with warehouse.connect(home) as connection:
        _make_as_spark_does(connection, made)
    (payments,) = (made / "main.payments").iterdir()
    if is_twice:
        shutil.copy(payments, payments.with_name("part-00001.snappy.parquet"))
    else:
        payments.unlink()
    with pytest.raises(
        NotBroughtBackError, match=r"Spark has made \d+ rows of main\.payments, and"
    ):
        Spark().bring_back(home, project)
    with warehouse.connect(home) as connection:
        brought = _read(connection)
    assert brought == former


def test_a_table_of_a_model_that_is_no_more_is_not_asked_for_and_stays(
    lent: Lent, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _, former = lent
    monkeypatch.setattr(spark, "run_dbt", lambda *_, **__: None)
    with warehouse.connect(home) as connection:
        _make_as_spark_does(connection, home.scratch / "made_by_spark")
        connection.execute("create table main.of_no_model as select 1 as kept")

    Spark().bring_back(home, "another project")

    with warehouse.connect(home) as connection:
        brought = _read(connection)
    assert brought.pop("warehouse.main.of_no_model") == [(1,)]
    differing = {name for name, rows in brought.items() if rows != former[name]}
    assert differing == {"marts.main.debts", *WITH_HASHES}


@pytest.mark.parametrize(
    ("is_finished", "is_without_a_table"), [(False, False), (True, False), (True, True)]
)
def test_tables_are_made_before_views_unless_all_are_there_and_a_load_has_been_finished(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_finished: bool,
    is_without_a_table: bool,
) -> None:
    """A kill in the first load leaves some tables; a finished one all, which views stand upon,
    unless the project has a new one.
    """
    with install(tmp_path, Installed, 1) as installed:
        home = installed.home
    with warehouse.connect(home) as connection:
        if not is_finished:
            connection.execute("update raw.loads set finished_at = null")
        Spark().lend(connection, home)
        _make_as_spark_does(connection, home.scratch / "made_by_spark")
        if is_without_a_table:
            connection.execute("drop table intermediate.int_balances__moved")
    said: list[str] = []
    monkeypatch.setattr(spark, "run_dbt", lambda _, verb, *others, **more: said.append(verb))

    Spark().bring_back(home, "another project")

    is_first = is_without_a_table or not is_finished
    assert said == (["build", "run"] if is_first else ["run", "build"])


def test_make_installs_pyspark_where_spark_is_asked_for() -> None:
    for asked, is_there in (
        (("run", "SALDO_TARGET=prod"), False),
        (("run", "SALDO_TARGET=spark"), True),
        (("run", "SALDO_TARGET=spark_connect"), True),
        (("bench", "CASES=ours,floor"), False),
        (("bench", "CASES=spark"), True),
    ):
        said = subprocess.run(
            ["make", "--dry-run", "--always-make", *asked],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert ("requirements-spark.txt" in said) is is_there


def _read(connection: duckdb.DuckDBPyConnection) -> dict[str, Rows]:
    """All rows of the tables that dbt makes; of the debts the amount comes last."""
    tables = [f"{each}.{name}" for each in DATABASES for name in spark._tables(connection, each)]
    return {
        name: connection.execute(
            f"select {'* exclude (amount), amount' if name == 'marts.main.debts' else '*'}"
            f" from {name} order by all"
        ).fetchall()
        for name in tables
    }


def _make_as_spark_does(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write each table as Parquet, with instants of a zone and hashes as texts; debts cost more."""
    counts = []
    for database in DATABASES:
        for name in spark._tables(connection, database):
            made = folder / name
            made.mkdir()
            table = f"{database}.{name}"
            counts.append(f"select '{name}' as made, count(*) as row_count from {table}")
            if not connection.execute(f"select 1 from {table} limit 1").fetchone():
                continue
            columns = ", ".join(
                f"timezone('UTC', {column}) as {column}"
                if kind == "TIMESTAMP"
                else f"cast({column} as varchar) as {column}"
                if kind == "UHUGEINT"
                else f"amount + 1 as {column}"
                if (name, column) == ("main.debts", "amount")
                else column
                for column, kind, *_ in connection.execute(f"describe {table}").fetchall()
            )
            target = quoted(made / "part-00000.snappy.parquet")
            connection.execute(f"copy (select {columns} from {table}) to {target} (format parquet)")
    (folder / "counts").mkdir()
    target = quoted(folder / "counts" / "part-00000.snappy.parquet")
    connection.execute(f"copy ({' union all '.join(counts)}) to {target} (format parquet)")


def _until(table: str) -> Callable[..., int]:
    replace_rows = spark._replace_rows

    def replacing(connection: duckdb.DuckDBPyConnection, name: str, made: Path) -> int:
        if name.endswith(table):
            raise InterruptedError
        return replace_rows(connection, name, made)

    return replacing
