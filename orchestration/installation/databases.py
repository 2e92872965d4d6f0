"""What is the same for each database of an installation: settings, paths, reading all of it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

import duckdb

from orchestration.installation.home import Home


def settings(home: Home) -> dict[str, str | bool | int | float | list[str]]:
    """The settings with which a database is opened; those of dbt are in `profiles.yml`.

    Args:
        home: the installation, which has the folder for what memory does not hold.

    """
    return {
        "memory_limit": os.environ.get("SALDO_MEMORY_LIMIT", "4GB"),
        "temp_directory": str(home.scratch),
        "autoinstall_known_extensions": "false",
        # Where the views of `raw` find the files of rows (R31).
        "file_search_path": str(home.rows),
        # A file that was replaced would give its former rows.
        "enable_external_file_cache": "false",
    }


def read_whole(connection: duckdb.DuckDBPyConnection) -> None:
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
    return re.sub(r"[*?\[]", lambda match: f"[{match[0]}]", str(path.resolve()))


def quoted(path: Path) -> str:
    """Write a path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def fingerprint(
    connection: duckdb.DuckDBPyConnection, table: str, without: Collection[str] = ()
) -> tuple[int, int]:
    """Return the number of rows of a table, and a hash of them that ignores their order.

    Args:
        connection: a database that has it.
        table: its name, with its database and schema.
        without: columns that are not compared.

    """
    columns = f"* exclude ({', '.join(without)})" if without else "*"
    row = connection.execute(
        "select count(*), coalesce(sum(hash(content)::hugeint), 0)"  # noqa: S608 (names of ours)
        f" from (select {columns} from {table}) as content"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def copy_sql(rows: str, target: Path, compression: str) -> str:
    """Return the SQL that writes the rows of a query to a new Parquet file, in their order.

    The statement returns their number.
    """
    return (
        f"copy ({rows}) to {quoted(target)}"
        f" (format parquet, compression {compression}, use_tmp_file false)"
    )
