"""What is the same for each database of an installation: settings, paths, reading all of it."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import duckdb

from orchestration.installation.home import Home

# What is committed is at first in the log alone. While DuckDB writes the log into the database,
# what others commit is in a second one; after a kill it makes a third one of both.
_LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")


# What is raised where one cannot be read or written.
DatabaseError = duckdb.Error


class Connection(Protocol):
    """An open database: all that the packages beyond this one know of an engine (R33)."""

    @property
    def description(self) -> list[Any]:
        """The columns of the newest result; the name of each comes first."""

    def execute(self, query: str, parameters: object = None) -> Connection:
        """Run SQL, with the values of its parameters."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row of the newest result."""

    def fetchmany(self, size: int = 1) -> list[Any]:
        """So many next rows of it."""

    def fetchall(self) -> list[Any]:
        """All next rows of it."""

    def cursor(self) -> Connection:
        """Open it once more, for another thread."""

    def begin(self) -> Connection:
        """Begin a transaction."""

    def commit(self) -> Connection:
        """End it, and keep what was written."""

    def rollback(self) -> Connection:
        """End it, and drop what was written."""

    def __enter__(self) -> Self:
        """It is closed at the end of the block."""

    def __exit__(self, kind: object, raised: object, trace: object, /) -> None:
        """It is closed."""


def settings(home: Home) -> dict[str, str | bool | int | float | list[str]]:
    """The settings with which a database is opened; those of dbt are in `profiles.yml`.

    Args:
        home: the installation, which has the folder for what memory does not hold.

    """
    return {
        "memory_limit": os.environ.get("SALDO_MEMORY_LIMIT", "3.5GB"),
        "temp_directory": str(home.scratch),
        "autoinstall_known_extensions": "false",
        # A table that is missing would be looked for among the variables of the caller.
        "python_enable_replacements": "false",
        # Where the views of `raw` find the files of rows (R31).
        "file_search_path": str(home.rows),
        # A file that was replaced would give its former rows.
        "enable_external_file_cache": "false",
    }


def files_of(database: Path) -> list[Path]:
    """Return the files of a database that exist: itself, then its logs. They belong together."""
    paths = [database.with_name(f"{database.name}{suffix}") for suffix in ("", *_LOGS)]
    return [path for path in paths if path.exists()]


def move(database: Path, target: Path) -> None:
    """Move a database and its logs over another one.

    The database moves first: without its logs it would be in a slightly older state, which nobody
    could tell from a whole one. Logs of which the database is gone move, too.
    """
    files = files_of(database)
    if database in files:
        delete(target)
    for path in files:
        path.replace(target.with_name(path.name.replace(database.name, target.name, 1)))


def copy(database: Path, folder: Path) -> None:
    """Copy a database and its logs into another folder. Nothing may write to it meanwhile."""
    for path in files_of(database):
        shutil.copyfile(path, folder / path.name)


def delete(database: Path) -> None:
    """Delete a database and its logs, or what there is of them."""
    for path in files_of(database):
        path.unlink(missing_ok=True)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Keep what the block writes; nothing of it if the block fails."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def read_value(connection: Connection, sql: str, parameters: object = None) -> Any:
    """Return the one value of a query that always has one row, as an aggregate has."""
    ((value,),) = connection.execute(sql, parameters).fetchall()
    return value


def read_whole(connection: Connection) -> None:
    """Read every row of every table that a connection has, to find out whether all can be read.

    Raises:
        duckdb.Error: one cannot be read.

    """
    for database, schema, name in connection.execute(
        "select database_name, schema_name, table_name from duckdb_tables() where not internal"
    ).fetchall():
        connection.execute(
            f'select sum(hash(whole_row)::hugeint) from "{database}"."{schema}"."{name}"'  # noqa: S608 (names of ours)
            " as whole_row"
        )


def literal_path(path: Path) -> str:
    """Escape a path so that DuckDB sees no pattern in it."""
    return glob.escape(str(path.resolve()))


def quoted(value: str | Path) -> str:
    """Write a text or a path as a text of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def count_rows(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the number of rows of each table of the first database, by schema and name."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where not internal"
        " and database_name = current_database()"
    ).fetchall()
    return {
        (schema, name): read_value(connection, f'select count(*) from "{schema}"."{name}"')  # noqa: S608 (names of ours)
        for schema, name in tables
    }


def fingerprint(
    connection: Connection, table: str, without: Collection[str] = ()
) -> tuple[int, int]:
    """Return the number of rows of a table, and a hash of them that ignores their order.

    Args:
        connection: a database that has it.
        table: its name, with its database and schema.
        without: columns that are not compared.

    """
    columns = f"* exclude ({', '.join(without)})" if without else "*"
    ((row_count, content),) = connection.execute(
        "select count(*), coalesce(sum(hash(content)::hugeint), 0)"  # noqa: S608 (names of ours)
        f" from (select {columns} from {table}) as content"
    ).fetchall()
    return int(row_count), int(content)


def copy_sql(rows: str, target: Path, compression: str) -> str:
    """Return the SQL that writes the rows of a query to a new Parquet file, in their order.

    The statement returns their number.
    """
    return (
        f"copy ({rows}) to {quoted(target)}"
        f" (format parquet, compression {compression}, use_tmp_file false)"
    )
