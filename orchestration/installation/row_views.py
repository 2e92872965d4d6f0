"""The views of `raw` over the files of rows that the loads have listed (R31).

The rows themselves are not in the warehouse. `raw.row_files` lists their files, and the views name
each of them, by a path below `landing/_rows`: a home may be moved, and a file that is missing is an
error, not fewer rows. The load of a row is in the path, so a query of some loads opens no other
file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestration.installation.databases import Connection
from orchestration.installation.errors import WrongUseError
from orchestration.installation.project_yaml import RawTable, raw_tables

# The variable by which macros/raw_tables.sql knows it.
CHECKED = "SALDO_ROWS_ARE_CHECKED"
# Which of the listed files a build may read, if it is no full refresh: those of the newest load, of
# the held files that are decided in it, of the files that are newer than one of these (R8), and of
# the loads between: DuckDB opens them too where it knows the loads that are joined by the first and
# last only. Of each view also the first that it names, of which it takes the columns of all files.
TO_READ = "row_files_to_read"
_TO_READ_SQL = f"""
create or replace view raw.{TO_READ} as
with newest as (
    select max(load_id) as load_id from raw.loads
),
submitted as (
    select files.*
    from raw.intake_files as files
    cross join newest
    where
        files.load_id = newest.load_id
        or files.file_id in (
            select decisions.file_id
            from raw.intake_decisions as decisions
            where decisions.load_id = newest.load_id
        )
),
newer as (
    select files.load_id
    from raw.intake_files as files
    inner join submitted
        on
            files.organization_id = submitted.organization_id
            and files.kind = submitted.kind
            and (
                files.business_date > submitted.business_date
                or (
                    files.business_date = submitted.business_date
                    and files.load_id > submitted.load_id
                )
            )
),
opened as (
    select
        min(load_id) as first_load_id,
        max(load_id) as last_load_id
    from (
        select load_id from submitted
        union all
        select load_id from newer
    )
),
first_named as (
    select
        table_name,
        max(load_id) as load_id
    from raw.row_files
    group by table_name
)
select files.*
from raw.row_files as files
inner join first_named on files.table_name = first_named.table_name
cross join opened
where
    files.load_id = first_named.load_id
    or files.load_id between opened.first_load_id and opened.last_load_id
"""  # noqa: S608 (a name of ours)


# The column that a file does not have, because its path does.
_IN_PATH = "load_id"


class UnusableHomeError(WrongUseError):
    """The home's path would change what the files of rows are read as."""


@contextmanager
def with_rows_checked() -> Iterator[None]:
    """Tell the dbt that is started in this context that the files it may read were compared."""
    os.environ[CHECKED] = "1"
    try:
        yield
    finally:
        del os.environ[CHECKED]


def row_tables() -> Mapping[str, RawTable]:
    """Return the tables of `raw` whose rows are in files."""
    return {name: table for name, table in raw_tables().items() if table.is_in_files}


def check_home(root: Path) -> None:
    """Check that the path of a home says nothing about rows.

    DuckDB takes a folder `name=x` for the column of that name, and a comma for the end of a path.

    Raises:
        UnusableHomeError: it would.

    """
    if "," in str(root) or "=" in str(root):
        raise UnusableHomeError(
            f"SALDO_HOME cannot be {root}: name a folder whose path has no comma and no `=`"
        )
    # DuckDB looks for files in the working directory before it looks for them in the home.
    here = Path.cwd()
    if any((here / table).exists() for table in row_tables()):
        raise UnusableHomeError(f"{here} holds files of rows: go to another folder, then again")


def relative_path(table: str, load_id: int, sha256: str) -> str:
    """Return the path of a file of rows, below the folder of all of them."""
    return f"{table}/load_id={load_id}/{sha256}.parquet"


def show(connection: Connection, tables: Iterable[str]) -> None:
    """Make views anew over the files that `raw.row_files` lists, in the caller's transaction.

    Args:
        connection: the warehouse.
        tables: the names of the views. Of each the first file is read, which must be whole.

    Raises:
        duckdb.Error: a listed file is missing, or the first one is damaged.

    """
    for table in tables:
        _show(connection, table)
    connection.execute(_TO_READ_SQL)


def show_missing(connection: Connection) -> None:
    """Make the views that are missing.

    Raises:
        duckdb.IOException: a listed file is missing.

    """
    views = connection.execute(
        "select view_name from duckdb_views() where schema_name = 'raw'"
        " and database_name = current_database()"
    ).fetchall()
    there = {*(name for (name,) in views), *find_tables(connection)}
    for table in row_tables():
        if table not in there:
            _show(connection, table)
    if TO_READ not in there:
        connection.execute(_TO_READ_SQL)


def find_tables(connection: Connection) -> list[str]:
    """Return which of the views are tables with rows, as in a warehouse of an older version."""
    tables = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'raw'"
        " and database_name = current_database() order by table_name"
    ).fetchall()
    return [name for (name,) in tables if name in row_tables()]


def _show(connection: Connection, table: str) -> None:
    listed = connection.execute(
        "select load_id, sha256 from raw.row_files where table_name = ? order by load_id desc",
        [table],
    ).fetchall()
    if listed:
        paths = ", ".join(f"'{relative_path(table, *each)}'" for each in listed)
        names = ", ".join(column.name for column in row_tables()[table].columns)
        rows = (
            f"select {names} from read_parquet([{paths}], hive_partitioning = true,"  # noqa: S608 (names of ours)
            " hive_types = {'load_id': 'bigint'}, union_by_name = false)"
        )
    else:
        nulls = ", ".join(
            f"cast(null as {column.data_type}) as {column.name}"
            for column in row_tables()[table].columns
        )
        rows = f"select {nulls} where 1 = 0"
    connection.execute(f"create or replace view raw.{table} as {rows}")


def select_list(table: RawTable, values: Mapping[str, str]) -> str:
    """Return what a file of rows has of its columns: all but the load, which its path has.

    Args:
        table: of `raw`.
        values: the SQL of the columns that are not null.

    """
    return ", ".join(
        f"cast({values.get(column.name, 'null')} as {column.data_type}) as {column.name}"
        for column in table.columns
        if column.name != _IN_PATH
    )


def names_in_file(table: str) -> list[str]:
    """Return the names of the columns that a file of rows has."""
    columns = row_tables()[table].columns
    return [column.name for column in columns if column.name != _IN_PATH]
