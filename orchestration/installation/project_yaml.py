"""Facts from the dbt project's YAML that Python needs: schema `raw`, and the published tables.

dbt makes the tables of `raw` from the same columns (macros/raw_tables.sql).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestration.installation.home import PROJECT

_RAW = PROJECT / "models" / "sources" / "_raw.yml"
_PUBLISHED = "published: true"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its name.
        data_type: its type in SQL.
        constraints: `not null` or `primary key`, if any.
        description: its meaning.

    """

    name: str
    data_type: str
    constraints: tuple[str, ...]
    description: str

    @property
    def definition(self) -> str:
        """The column in the syntax of `create table`."""
        return " ".join((self.name, self.data_type, *self.constraints))


@dataclass(frozen=True)
class RawTable:
    """A table of schema `raw`.

    Args:
        description: its meaning.
        columns: its columns in order.
        is_in_files: whether it is a view over files of rows (R31).
        is_by_load: whether its rows are written once, with their load.

    """

    description: str
    columns: tuple[Column, ...]
    is_in_files: bool = False
    is_by_load: bool = False

    @property
    def definition(self) -> str:
        """The columns in the syntax of `create table`."""
        return ", ".join(column.definition for column in self.columns)


@cache
def raw_tables() -> Mapping[str, RawTable]:
    """Read the tables of schema `raw` by name, from the source's YAML."""
    return {table["name"]: _raw_table(table) for table in _read(_RAW)["sources"][0]["tables"]}


def _raw_table(table: Mapping[str, Any]) -> RawTable:
    rows = table.get("config", {}).get("meta", {}).get("rows")
    columns = tuple(
        Column(
            column["name"],
            column["data_type"],
            tuple(
                constraint["type"].replace("_", " ") for constraint in column.get("constraints", ())
            ),
            column["description"].strip(),
        )
        for column in table["columns"]
    )
    has_load = any(column.name == "load_id" for column in columns)
    return RawTable(
        table["description"].strip(),
        columns,
        is_in_files=rows == "in files",
        is_by_load=has_load and rows != "change after their load",
    )


@cache
def published_tables() -> Mapping[str, str]:
    """Return the models and snapshots with `meta: {published: true}`, by table name (R28)."""
    nodes = [
        node
        for folder in ("models/marts", "snapshots")
        for path in sorted((PROJECT / folder).glob("*.yml"))
        if _PUBLISHED in path.read_text(encoding="utf-8")
        for kind in ("models", "snapshots")
        for node in _read(path).get(kind, ())
    ]
    return {
        node["config"].get("alias", node["name"]): node["name"]
        for node in nodes
        if node.get("config", {}).get("meta", {}).get("published")
    }


def _read(path: Path) -> dict[str, Any]:
    # Unit tests are most of a file, and are not needed here.
    described = path.read_text(encoding="utf-8").partition("\nunit_tests:\n")[0]
    content: dict[str, Any] = yaml.load(described, yaml.CSafeLoader)
    return content
