"""What stands as the former load left it, and is not built again.

A view is what its SQL says, and a seed what its file says. Neither changes from one load to the
next, and the tests of seeds alone find what they found. Nearly half of a small build is spent on
them. So a build that ended well is noted in the warehouse: by which files of the project, and with
which views, seeds and functions. While that is so, the next build leaves them out
(`what_a_load_changes` in selectors.yml).

dbt deletes the note before it writes anything (macros/standing.sql). So the next build is of
everything after one that was killed, has failed, was of some models only, or was started by hand.

A table stands, too, when nothing has come that it is made of. What came is what the tables of `raw`
have of the load, and of the one before it: a table of what came with a load is emptied by the next.
Other contracts come like a file. After a build of everything, all tables may hold what only its
load has, and views over tables of a former load may have none yet: the next build leaves out no
table, whatever has come.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256

import duckdb

from orchestration.installation.databases import Connection
from orchestration.installation.dbt_project import fingerprint
from orchestration.installation.home import Home

EVERYTHING = "SALDO_BUILDS_EVERYTHING"
_NOTE = "main.built"
_OF_EVERYTHING, _OF_SOME = "everything", "some"
# What has to be built (selectors.yml) after files or decisions, after events alone, after nothing.
_ANYTHING, _EVENTS, _NOTHING = "what_a_load_changes", "what_events_change", "what_a_day_changes"
# The tables of `raw` that have a row of each load with which something of the kind came.
TABLES_OF_FILES = ("intake_files", "intake_decisions")
TABLES_OF_EVENTS = (
    "payment_events",
    "payment_event_ranges",
    "payment_event_refusals",
    "enrollment_events",
)


def choose_nodes(connection: Connection, home: Home, project: str) -> tuple[str, ...]:
    """Return dbt's arguments that leave out what stands; none if everything is to be built.

    SALDO_BUILDS_EVERYTHING=1 in the environment has each build be of everything.

    Args:
        connection: the warehouse.
        home: the installation.
        project: the fingerprint of the project that is about to be built.

    """
    if os.environ.get(EVERYTHING) == "1":
        return ()
    try:
        row = connection.execute(f"from {_NOTE}").fetchone()
    except duckdb.CatalogException:
        return ()
    build = _describe(connection, home, project)
    if row == (build, _OF_EVERYTHING):
        return ("--selector", _ANYTHING)
    if row == (build, _OF_SOME):
        return ("--selector", _choose_selector(connection))
    return ()


def _choose_selector(connection: Connection) -> str:
    """Choose what the newest load can change, by what it brought and the one before it did."""
    # The third tells whether the contracts of the second are others.
    newest = connection.execute(
        "select load_id, contracts from raw.loads order by load_id desc limit 3"
    ).fetchall()
    first = min(load_id for load_id, _ in newest[:2])
    if len({contracts for _, contracts in newest}) > 1 or _has_come(
        connection, TABLES_OF_FILES, first
    ):
        return _ANYTHING
    return _EVENTS if _has_come(connection, TABLES_OF_EVENTS, first) else _NOTHING


def _has_come(connection: Connection, tables: Iterable[str], load_id: int) -> bool:
    """Return whether tables of `raw` have a row of a load or a later one."""
    return any(
        connection.execute(f"from raw.{table} where load_id >= ? limit 1", [load_id]).fetchone()
        for table in tables
    )


def note_build(connection: Connection, home: Home, project: str, chosen: Sequence[str]) -> None:
    """Note that a build has carried a load through, and that nothing of it was left out but what
    stood already. A project that was changed meanwhile is not noted: nobody knows what was built.

    Args:
        connection: the warehouse.
        home: the installation.
        project: the fingerprint of the project as it was before the build.
        chosen: what `choose_nodes` returned for the build.

    """
    if fingerprint(home) != project:
        return
    connection.execute(
        f"create or replace table {_NOTE} as select ?::varchar as build, ?::varchar as extent",
        [_describe(connection, home, project), _OF_SOME if chosen else _OF_EVERYTHING],
    )


def _describe(connection: Connection, home: Home, project: str) -> str:
    """Describe what a short build relies on, as it is now, in one hash."""
    views = connection.execute(
        "select database_name, schema_name, view_name, sql from duckdb_views()"
        " where not internal and schema_name <> 'raw' order by all"
    ).fetchall()
    tables = connection.execute(
        "select database_name, schema_name, table_name, sql from duckdb_tables()"
        " where schema_name <> 'raw' and table_name <> 'built' order by all"
    ).fetchall()
    # Without their SQL: DuckDB writes the columns after `exclude` in another order each time.
    functions = connection.execute(
        "select database_name, schema_name, function_name, parameters from duckdb_functions()"
        " where not internal order by all"
    ).fetchall()
    seeds = []
    for path in sorted(home.seeds.glob("*.csv")):
        hashed = f'select count(*), sum(hash(seed)) from seeds."{path.stem}" as seed'  # noqa: S608 (a file of ours)
        try:
            seeds.append((path.stem, connection.execute(hashed).fetchone()))
        except duckdb.CatalogException:
            seeds.append((path.stem, None))
    return sha256(repr((project, views, tables, functions, seeds)).encode()).hexdigest()
