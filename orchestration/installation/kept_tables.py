"""The tables that keep what former loads wrote, and the columns that this version gives them.

A build adds rows to them and never changes their columns. `kept_tables.json` lists them; it is made
by `python -m orchestration.devtools.kept_tables`, and a test compares it with what a build makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import duckdb

from orchestration.installation.damage import REPLAY
from orchestration.installation.warehouse import OlderWarehouseError

LISTED = Path(__file__).with_name("kept_tables.json")

# By `schema.table`: the type of each column.
Tables = Mapping[str, Mapping[str, str]]


def read_expected() -> Tables:
    """The kept tables of this version."""
    tables: Tables = json.loads(LISTED.read_text("utf-8"))
    return tables


def read_found(connection: duckdb.DuckDBPyConnection) -> Tables:
    """Every table and view of a warehouse as it is."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where database_name = current_database() and not internal"
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def check(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that the kept tables of a warehouse have the columns that this version writes.

    A table that is missing is one that an unfinished first load has not reached, unless a load has
    been carried through the models before.

    Raises:
        OlderWarehouseError: they have not.

    """
    expected, found = read_expected(), read_found(connection)
    kept = {table: found[table] for table in expected if table in found}
    other = {table for table, columns in kept.items() if columns != expected[table]}
    if kept and _is_any_load_finished(connection):
        other |= expected.keys() - kept.keys()
    if other:
        raise OlderWarehouseError(
            "another version of Saldo made the warehouse, with other columns in"
            f" {', '.join(sorted(other))}: {REPLAY} makes it anew from the landing area"
        )


def _is_any_load_finished(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute(
        "select exists (select 1 from raw.loads where finished_at is not null)"
    ).fetchone()
    return row is not None and bool(row[0])
