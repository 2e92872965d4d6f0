"""Compiles the models for an engine without a warehouse, as a first and as a later build has them.

`python -m orchestration.devtools.portability.compiling ENGINE FOLDER` is a process of its own,
because dbt knows one engine in a process. Instead of asking the engine what tables there are, dbt
is told: none, or each that a former build left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestration.devtools.portability.rules import DUCKDB, SPARK
from orchestration.installation.home import PROJECT

TARGETS = {DUCKDB: "scratch", SPARK: "spark"}
BUILDS = ("first", "later")


def compile_models(engine: str, folder: Path) -> list[Path]:
    """Compile models and tests for an engine.

    Args:
        engine: `duckdb` or `spark`.
        folder: where each build's SQL is written.

    Returns:
        The folders of the two builds.

    Raises:
        subprocess.CalledProcessError: dbt refused the project; it has said why.

    """
    subprocess.run(  # noqa: S603 (our own arguments)
        [sys.executable, "-m", __spec__.name, engine, str(folder)],
        cwd=PROJECT,
        env={
            **os.environ,
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_LOG_PATH": str(folder),
            "DBT_TARGET_PATH": str(folder),
        },
        check=True,
    )
    return [folder / build / "compiled" / "saldo" for build in BUILDS]


def _main(engine: str, folder: Path) -> None:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415

    # dbt-spark looks for it when it reads the profile, and needs it to connect, which it does not.
    sys.modules.setdefault("pyspark", ModuleType("pyspark"))
    target = ("--quiet", "--target", TARGETS[engine])
    parsed = dbtRunner().invoke([*target, "parse"])
    if not parsed.success:
        raise SystemExit(str(parsed.exception))
    manifest: Any = parsed.result
    for build in BUILDS:
        _tell_tables(engine, _tables_of(manifest) if build == "later" else {})
        compiled = dbtRunner(manifest=manifest).invoke(
            [
                *target,
                "compile",
                "--select",
                "resource_type:model resource_type:test",
                "--target-path",
                str(folder / build),
            ]
        )
        if not compiled.success:
            raise SystemExit(str(compiled.exception))


def _tables_of(manifest: Any) -> dict[str, set[str]]:
    """The tables that a former build left, by schema."""
    tables: dict[str, set[str]] = {}
    for node in (*manifest.nodes.values(), *manifest.sources.values()):
        if node.resource_type in ("model", "seed", "snapshot", "source"):
            tables.setdefault(node.schema, set()).add(node.identifier or node.alias)
    return tables


def _tell_tables(engine: str, tables: dict[str, set[str]]) -> None:
    """Have dbt's adapter find these tables and no others."""
    adapter = _adapter(engine)

    def listed(self: Any, schema_relation: Any) -> list[Any]:
        return [
            self.Relation.create(
                database=schema_relation.database,
                schema=schema_relation.schema,
                identifier=name,
                type="table",
            )
            for name in sorted(tables.get(schema_relation.schema, ()))
        ]

    adapter.list_relations_without_caching = listed


def _adapter(engine: str) -> Any:
    load: dict[str, Callable[[], Any]] = {DUCKDB: _duckdb_adapter, SPARK: _spark_adapter}
    return load[engine]()


def _duckdb_adapter() -> Any:
    from dbt.adapters.duckdb.impl import DuckDBAdapter  # noqa: PLC0415

    return DuckDBAdapter


def _spark_adapter() -> Any:
    from dbt.adapters.spark.impl import SparkAdapter  # noqa: PLC0415

    return SparkAdapter


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
