"""The tables that keep what former loads wrote: their columns in this version, and their meaning.

A build adds rows to them and never changes what is there. `kept_tables.json` lists their columns;
it is made by `python -m orchestration.devtools.kept_tables`, and a test compares it with what a
build makes. Its `meaning` is a number that a developer raises when rows that are kept mean
something else from now on, although the columns are the same. The first load of a warehouse notes
it, as the comment of `raw.loads`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.installation.damage import REPLAY
from orchestration.installation.databases import Connection
from orchestration.installation.warehouse import OlderWarehouseError, is_any_load_finished

LISTED = Path(__file__).with_name("kept_tables.json")

# By `schema.table`, or `marts.table`: the type of each column.
Tables = Mapping[str, Mapping[str, str]]

_MEANING = "meaning of the kept rows: "
# Of the warehouses that were made before the number was noted.
_FIRST_MEANING = 1


@dataclass(frozen=True)
class Expected:
    """What this version keeps.

    Args:
        meaning: the number of what the kept rows mean.
        tables: the columns of the kept tables.

    """

    meaning: int
    tables: Tables


def read_expected() -> Expected:
    """What this version keeps."""
    return Expected(**json.loads(LISTED.read_text("utf-8")))


def read_found(connection: Connection) -> Tables:
    """Every table and view of a warehouse as it is; those of the marts as `marts.table`."""
    found: dict[str, dict[str, str]] = {}
    for database, schema, table, column, kind in connection.execute(
        "select database_name, schema_name, table_name, column_name, data_type"
        " from duckdb_columns() where database_name in ('warehouse', 'marts') and not internal"
    ).fetchall():
        place = "marts" if database == "marts" else schema
        found.setdefault(f"{place}.{table}", {})[column] = kind
    return found


def check(connection: Connection) -> None:
    """Check that the kept tables of a warehouse are those that this version writes.

    A table that is missing is one that an unfinished first load has not reached, unless a load has
    been carried through the models before.

    Raises:
        OlderWarehouseError: they have other columns, or their rows mean something else.

    """
    expected, found = read_expected(), read_found(connection)
    kept = {table: found[table] for table in expected.tables if table in found}
    other = {table for table, columns in kept.items() if columns != expected.tables[table]}
    if kept and is_any_load_finished(connection):
        other |= expected.tables.keys() - kept.keys()
    if other:
        _refuse(f"other columns in {', '.join(sorted(other))}")
    meaning = read_meaning(connection) or _FIRST_MEANING
    if kept and meaning != expected.meaning and _has_loads(connection):
        _refuse("another meaning of the rows that it keeps")


def note_meaning(connection: Connection) -> None:
    """Note in a warehouse without any load what the rows mean that this version will keep in it."""
    if not _has_loads(connection):
        note = f"{_MEANING}{read_expected().meaning}"
        connection.execute(f"comment on table raw.loads is '{note}'")


def _has_loads(connection: Connection) -> bool:
    return connection.execute("select 1 from raw.loads").fetchone() is not None


def read_meaning(connection: Connection) -> int | None:
    """The meaning that a warehouse notes; None if nothing was noted."""
    row = connection.execute(
        "select comment from duckdb_tables() where schema_name = 'raw' and table_name = 'loads'"
        " and database_name = current_database()"
    ).fetchone()
    comment = row[0] if row else None
    return int(comment.removeprefix(_MEANING)) if comment else None


def _refuse(what: str) -> None:
    raise OlderWarehouseError(
        f"another version of Saldo made the warehouse, with {what}:"
        f" {REPLAY} rebuilds it from the landing area"
    )
