"""The same load on both engines, and every row of every relation compared.

The order of rows means nothing. A row that is there twice is not the same as one that is there
once, and a null is equal to a null only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.spark.duckdb_engine import DuckDBEngine
from tests.spark.spark_engine import SparkEngine

_COMPARED_TYPES = ("model", "seed", "snapshot")
# A number of 128 bits on DuckDB, whose bytes begin with the last; its text on Spark.
_HASHES = ("row_hash",)
# What it covers of the SQL that reads a row, which each engine has its own of.
_RULES = "hash_rules()"
# Relations that are read at once: most of it is planning, on one core.
_AT_ONCE = 2
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Compared:
    """What was compared: relations, and their rows."""

    relations: int
    rows: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows of {self.relations} relations"


@dataclass(frozen=True)
class Difference:
    """A relation that is not the same on both engines."""

    relation: str
    only_on_duckdb: Sequence[object]
    only_on_spark: Sequence[object]

    def __str__(self) -> str:
        return (
            f"{self.relation}: {len(self.only_on_duckdb)} only on DuckDB,"
            f" {len(self.only_on_spark)} only on Spark\n"
            f"  DuckDB: {[*self.only_on_duckdb][:3]}\n  Spark:  {[*self.only_on_spark][:3]}"
        )


@dataclass(frozen=True)
class BothEngines:
    """An installation on DuckDB, and its models on Spark as well."""

    duckdb: DuckDBEngine
    spark: SparkEngine

    def carry(self, *options: str) -> None:
        """Carry the next load through the models on both engines; options are dbt's."""
        load_id, lent = self.duckdb.land()
        with self.spark.lent(lent):
            self.build(*options)
        self.duckdb.finish(load_id)
        self.spark.finish(load_id)

    def build(self, *options: str) -> None:
        """Build the models of the newest load once more on both engines."""
        self.duckdb.build(*options)
        with self.hashes_of_duckdb():
            self.spark.build(*options)

    @contextmanager
    def hashes_of_duckdb(self) -> Iterator[None]:
        """Have hashes of rows cover DuckDB's SQL on Spark, too, so that they are the same."""
        with self.spark.changed_macro("hash_row", _RULES, f"'{self.duckdb.rules()}'"):
            yield

    def relations(self, *, with_views: bool) -> list[tuple[str, str]]:
        """Schema and name of each relation that dbt makes, or of those whose rows are stored."""
        return sorted(
            (node.schema, node.alias)
            for node in self.spark.manifest.nodes.values()
            if node.resource_type in _COMPARED_TYPES
            and (with_views or node.config.materialized != "view")
        )

    def difference(self, relation: tuple[str, str]) -> Difference | int:
        """In what a relation differs, or how many rows it has where it does not."""
        name = ".".join(relation)
        columns, ours = self.duckdb.rows(*relation)
        spark_columns, theirs = self.spark.rows(*relation)
        if [*columns] != [*spark_columns]:
            return Difference(name, columns, spark_columns)
        hashes = [number for number, column in enumerate(columns) if column in _HASHES]
        on_duckdb = Counter(_as_on_spark(row, hashes) for row in ours)
        on_spark = Counter(theirs)
        if on_duckdb == on_spark:
            return len(ours)
        return Difference(
            name,
            sorted((on_duckdb - on_spark).elements(), key=repr),
            sorted((on_spark - on_duckdb).elements(), key=repr),
        )

    def compare(self, *, with_views: bool = True) -> Compared:
        """Compare all relations, or those whose rows are stored.

        What a view says, the stored relations after it are made of; to ask all views on Spark takes
        as long as to build them.

        Raises:
            AssertionError: some differ; it says which, and in what.

        """
        relations = self.relations(with_views=with_views)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            outcomes = list(pool.map(self.difference, relations))
        differing = [each for each in outcomes if isinstance(each, Difference)]
        assert not differing, "\n".join(
            [f"{len(differing)} of {len(relations)} relations differ", *map(str, differing)]
        )
        return Compared(len(relations), sum(each for each in outcomes if isinstance(each, int)))


def _as_on_spark(row: tuple[Any, ...], hashes: Sequence[int]) -> tuple[Any, ...]:
    values = list(row)
    for number in hashes:
        if values[number] is not None:
            values[number] = int(values[number]).to_bytes(16, "little").hex()
    return tuple(values)
