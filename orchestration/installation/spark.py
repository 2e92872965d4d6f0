"""Apache Spark as the engine of the models (R33): `SALDO_TARGET=spark`, or `spark_connect`.

Before a build, the rows that a load brought to `raw` are written as Parquet files. dbt's hooks take
them into Spark's own tables, and write those that the models have made as Parquet files, too
(macros/lending.sql). These become the rows of the same tables of the warehouse. Views, and the
functions for analysts, are DuckDB's.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from orchestration.installation import lending, locking, standing, warehouse
from orchestration.installation.damage import REPLAY
from orchestration.installation.databases import Connection, quoted, transaction
from orchestration.installation.dbt_project import CONNECT, run_dbt
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home

# Spark 4.1 runs on these two.
JAVA_VERSIONS = (17, 21)
# Of a Spark Connect server: its port where its address names none, how long it may take to answer.
_CONNECT_PORT = 15002
_PATIENCE_SECONDS = 20
# Begins as what dbt keeps no note of: it would read the project anew wherever one has changed.
_SESSION = "DBT_ENV_SECRET_SPARK_SESSION"
# In the path of a home, Spark takes them for patterns, the end of a name, or several folders.
_NOT_IN_PATHS = ",[]{}*?`'\\"
_VIEWS = "config.materialized:view"
_TABLES = ("build", "--empty", "--exclude-resource-type", "test", "--exclude-resource-type")
# What a Java that was killed leaves of its work in the folder for it.
_LEFT_BY_JAVA = ("blockmgr-*", "spark-*")
# A view over tables without rows must not be made by `--empty`, or it has none for ever.
_WITH_NEW_TABLES = ((*_TABLES, "unit_test"), ("run", "--select", _VIEWS))
_IN_WAREHOUSE = (("run", "--select", _VIEWS), (*_TABLES, "unit_test", "--exclude", _VIEWS))
# Of the hashes of rows, which are read by builds alone, and are texts on Spark: they stay there.
_HASH = "UHUGEINT"


class NoSparkError(ToldError):
    """There is no PySpark, no Java that it runs on or no server to ask, or the home is where Spark
    finds no files.
    """


class NotBroughtBackError(ToldError):
    """The tables of the warehouse could not be made for what Spark has made."""


class Spark:
    """Spark builds the models in tables of its own, below the home."""

    name = "spark"

    def require(self, home: Home) -> None:
        """Look for PySpark, and Java or the server of a cluster.

        Raises:
            NoSparkError: one of them is missing, or is not one that fits.

        """
        _require_pyspark(f"SALDO_TARGET is {os.environ.get('SALDO_TARGET')}")
        if any(character in str(home.root) for character in _NOT_IN_PATHS):
            raise NoSparkError(
                f"Spark finds no files in {home.root}: name a folder whose path has none of"
                f" {_NOT_IN_PATHS} with SALDO_HOME"
            )
        if _is_on_a_cluster():
            require_server(_remote())
            # A session that is at work, or was left there, may have all cores.
            _connect().require(_remote(), asks_worker=not home.spark_session.exists())
        else:
            require_java()

    def place(self, home: Home) -> str:
        """Name the folder of its tables: in a home that was moved they name the former one."""
        return f"{self.name} in {home.spark}"

    def choose_nodes(
        self,
        connection: Connection,  # noqa: ARG002
        home: Home,  # noqa: ARG002
        project: str,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Build everything."""
        return ()

    def lend(self, connection: Connection, home: Home) -> Mapping[str, str]:
        """Write what the newest load brought as Parquet files.

        A warehouse in which nothing is built begins without any table on Spark. What a run that was
        killed has left is deleted; on a cluster, Java's folders may be those of a server at work.
        """
        end_session(home)
        if not _is_on_a_cluster():
            for pattern in _LEFT_BY_JAVA:
                for left in home.scratch.glob(pattern):
                    shutil.rmtree(left, ignore_errors=True)
        if not warehouse.is_built(connection):
            forget(home)
        home.spark.mkdir(exist_ok=True)
        for folder in (_lent(home), _made(home)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        lending.lend(connection, _lent(home), warehouse.last_load_id(connection))
        lent = {"SALDO_SPARK_LENT": str(_lent(home)), "SALDO_SPARK_MADE": str(_made(home))}
        if _is_on_a_cluster():
            lent[_SESSION] = _connect().begin(home, _remote())
        return lent

    def bring_back(self, home: Home, project: str) -> None:
        """Have the tables of the warehouse hold the rows that Spark has made.

        Where the project has changed, they are made anew first, without rows.

        Raises:
            NotBroughtBackError: they could not be made; another run tries it again.
            NoSparkError: the session with a server could not be ended.

        """
        end_session(home)
        with warehouse.connect(home) as connection:
            counts = _counts(connection, _made(home))
            has_all = warehouse.is_any_load_finished(connection) and (
                counts.keys() <= _names(connection)
            )
            stands = bool(standing.choose_nodes(connection, home, project))
        if not stands:
            _make_tables(home, _IN_WAREHOUSE if has_all else _WITH_NEW_TABLES)
        with warehouse.connect(home) as connection:
            # A table of a model that is no more has no number of rows, and stays as it is.
            tables = {
                database: [
                    each for each in _tables(connection, database) if not counts or each in counts
                ]
                for database in (
                    connection.execute("select current_database()").fetchall()[0][0],
                    "marts",
                )
            }
            made_tables = [each for made in tables.values() for each in made]
            _require_all(connection, home, made_tables, counts)
            for database, made in tables.items():
                with transaction(connection):
                    for table in made:
                        _replace_rows(connection, f"{database}.{table}", _made(home) / table)
        for folder in (_lent(home), _made(home)):
            shutil.rmtree(folder)


def end_session(home: Home) -> None:
    """End what a run that was killed, or has ended, left at work on a Spark Connect server.

    Raises:
        NoSparkError: there may be something, and it cannot be ended.

    """
    if not home.spark_session.exists():
        return
    _require_pyspark(f"a run has left {home.spark_session}, a session that is to be ended")
    _connect().end(home, _remote())


def forget(home: Home) -> None:
    """Delete all tables on Spark and their catalog: files that nothing names, too.

    Raises:
        NoSparkError: a run that was killed may be writing there, and cannot be ended.

    """
    end_session(home)
    if home.spark.exists():
        shutil.rmtree(home.spark)


def require_java() -> str:
    """Return the line of `java -version` that names the version.

    PySpark takes the Java of JAVA_HOME where that is set, and looks at no other.

    Raises:
        NoSparkError: there is none, or one that Spark does not run on.

    """
    wanted = f"Spark needs Java {' or '.join(map(str, JAVA_VERSIONS))}"
    java_home = os.environ.get("JAVA_HOME")
    named = f"{java_home}/bin/java" if java_home else "java"
    java = shutil.which(named)
    if java is None:
        where = ": name another JAVA_HOME" if java_home else " (Debian: openjdk-17-jre-headless)"
        raise NoSparkError(f"{wanted}: there is no `{named}`{where}")
    asked = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 (found on the path)
    version = re.search(r'^.*"(\d+).*$', asked.stderr, re.MULTILINE)
    if version is None or int(version[1]) not in JAVA_VERSIONS:
        said = version[0] if version else asked.stderr.strip()
        raise NoSparkError(f"{wanted}: `{named}` is {said}")
    return version[0]


def require_server(address: str) -> None:
    """Check that a Spark Connect server answers.

    Args:
        address: `sc://HOST`, `sc://HOST:PORT`, with parameters after `/;` or without.

    Raises:
        NoSparkError: nobody answers there, or it is no such address.

    """
    where = read_address(address)
    try:
        socket.create_connection(where, _PATIENCE_SECONDS).close()
    except UnicodeError:
        raise no_address() from None
    except OSError as error:
        raise NoSparkError(
            f"no Spark Connect server answers at {where[0]}:{where[1]} (SALDO_SPARK_REMOTE): start"
            f" it as docs/scale.md says, and run again: {error}"
        ) from None


def read_address(address: str) -> tuple[str, int]:
    """Return the host and the port of a Spark Connect server.

    Raises:
        NoSparkError: it is no such address.

    """
    try:
        named = urlsplit(address)
        where = (named.hostname or "", named.port or _CONNECT_PORT)
    except ValueError:
        raise no_address() from None
    # With a slash left out, parameters would be a part of the host, which is told.
    if named.scheme != "sc" or not re.fullmatch(r"[\w.:-]+", where[0]):
        raise no_address()
    return where


def no_address() -> NoSparkError:
    """What is told of a wrong address: not the address, of which a part may be a token."""
    return NoSparkError(
        "SALDO_SPARK_REMOTE names no server of a cluster:"
        f" it must be like sc://HOST:{_CONNECT_PORT} (docs/scale.md)"
    )


def _is_on_a_cluster() -> bool:
    return os.environ.get("SALDO_TARGET") == CONNECT


def _remote() -> str:
    return os.environ.get("SALDO_SPARK_REMOTE", "")


def _require_pyspark(why: str) -> None:
    if find_spec("pyspark") is None:
        raise NoSparkError(
            f"{why}, but this Python has no PySpark: use"
            " .venv/spark/bin/python, which `make .venv/spark/ready` makes"
        )


def _connect() -> ModuleType:
    return import_module("orchestration.installation.spark_connect")


def _lent(home: Home) -> Path:
    return home.scratch / "lent_to_spark"


def _made(home: Home) -> Path:
    return home.scratch / "made_by_spark"


def _make_tables(home: Home, steps: Sequence[Sequence[str]]) -> None:
    try:
        with locking.lent_to_children(home):
            for arguments in steps:
                run_dbt(home, *arguments, "--quiet", is_silent=True)
    except subprocess.CalledProcessError:
        raise NotBroughtBackError(
            "the tables of the warehouse could not be made for this version of the project: dbt"
            f" says above why; {REPLAY} rebuilds everything"
        ) from None


def _tables(connection: Connection, database: str) -> list[str]:
    """Return schema and name of the tables of a database that dbt makes of rows."""
    found = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables()"
        " where not internal and database_name = ? and schema_name not in ('raw', 'seeds')"
        " order by all",
        [database],
    ).fetchall()
    return [name for (name,) in found if name not in warehouse.NOTES]


def _names(connection: Connection) -> set[str]:
    """Return schema and name of each table and view."""
    found = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
    )
    return {name for (name,) in found.fetchall()}


def _require_all(
    connection: Connection, home: Home, tables: Sequence[str], counts: Mapping[str, int | None]
) -> None:
    """Check that Spark gave back all rows of all tables, before any is replaced.

    Raises:
        NotBroughtBackError: a table, or some of its rows, have not come, or have come twice.

    """
    folder = _made(home)
    if missing := [each for each in tables if not (folder / each).exists()]:
        raise NotBroughtBackError(
            f"Spark has no {', '.join(missing)}: run again; if that does not help, {REPLAY}"
            " rebuilds everything"
        )
    for table in tables:
        files = folder / table / "*.parquet"
        brought = _count(connection, f"from read_parquet({quoted(files)})") if _is_any(files) else 0
        if brought != counts.get(table):
            made = counts.get(table, "an unknown number of")
            raise NotBroughtBackError(
                f"Spark has made {made} rows of {table}, and gave back {brought}: run again; on a"
                f" cluster, all machines must see {home.root} under this path (docs/scale.md)"
            )


def _counts(connection: Connection, made: Path) -> dict[str, int | None]:
    """Return how many rows each table of the models has on Spark; None where there is none."""
    files = made / "counts" / "*.parquet"
    if not _is_any(files):
        return {}
    found = connection.execute("select made, row_count from read_parquet(?)", [str(files)])
    return dict(found.fetchall())


def _count(connection: Connection, rows: str) -> int:
    return int(connection.execute(f"select count(*) {rows}").fetchall()[0][0])


def _is_any(files: Path) -> bool:
    return any(files.parent.glob(files.name))


def _replace_rows(connection: Connection, table: str, made: Path) -> None:
    """Replace the rows of a table."""
    columns = connection.execute(f"describe {table}").fetchall()
    values = ", ".join(
        f"cast({'null' if kind == _HASH else name} as {kind}) as {name}"
        for name, kind, *_ in columns
    )
    connection.execute(f"delete from {table}")  # noqa: S608 (a table of ours)
    if _is_any(made / "*.parquet"):
        rows = quoted(made / "*.parquet")
        connection.execute(
            f"insert into {table} by name select {values} from read_parquet({rows})"  # noqa: S608 (a table of ours)
        )
