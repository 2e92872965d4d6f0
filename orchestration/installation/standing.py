"""What stands as the former load left it, and is not built again.

A view is what its SQL says, and a seed what its file says. Neither changes from one load to the
next, and the tests of seeds alone find what they found. Nearly half of a small build is spent on
them. So a build that ended well is noted in the warehouse: by which files of the project, and with
which views and seeds. While that is so, the next build leaves them out (`what_a_load_changes` in
selectors.yml).

dbt deletes the note before it writes anything (macros/standing.sql). So the next build is of
everything after one that was killed, has failed, was of some models only, or was started by hand.
"""

from __future__ import annotations

import os
from hashlib import sha256

import duckdb

from orchestration.installation.dbt_project import fingerprint
from orchestration.installation.home import Home

EVERYTHING = "SALDO_BUILDS_EVERYTHING"
_NOTE = "main.built"
_SHORT = ("--selector", "what_a_load_changes")


def choose_nodes(
    connection: duckdb.DuckDBPyConnection, home: Home, project: str
) -> tuple[str, ...]:
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
        row = connection.execute(f"select build from {_NOTE}").fetchone()  # noqa: S608 (a name of ours)
    except duckdb.CatalogException:
        return ()
    return _SHORT if row == (_describe(connection, home, project),) else ()


def note_build(connection: duckdb.DuckDBPyConnection, home: Home, project: str) -> None:
    """Note that a build has carried a load through, and that nothing of it was left out but what
    stood already. A project that was changed meanwhile is not noted: nobody knows what was built.

    Args:
        connection: the warehouse.
        home: the installation.
        project: the fingerprint of the project as it was before the build.

    """
    if fingerprint(home) != project:
        return
    connection.execute(
        f"create or replace table {_NOTE} as select ?::varchar as build",
        [_describe(connection, home, project)],
    )


def _describe(connection: duckdb.DuckDBPyConnection, home: Home, project: str) -> str:
    """Describe what a short build relies on, as it is now, in one hash."""
    views = connection.execute(
        "select database_name, schema_name, view_name, sql from duckdb_views()"
        " where not internal and schema_name <> 'raw' order by all"
    ).fetchall()
    seeds = []
    for path in sorted(home.seeds.glob("*.csv")):
        hashed = f'select count(*), sum(hash(seed)) from seeds."{path.stem}" as seed'  # noqa: S608 (a file of ours)
        try:
            seeds.append((path.stem, connection.execute(hashed).fetchone()))
        except duckdb.CatalogException:
            seeds.append((path.stem, None))
    return sha256(repr((project, views, seeds)).encode()).hexdigest()
