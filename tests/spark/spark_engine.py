"""Apache Spark in this process, and dbt on it: one Java machine for all builds.

dbt-spark's `session` takes the session of the process, with what is set in profiles.yml.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from dbt.artifacts.schemas.results import NodeStatus
from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession

from orchestration.installation.dbt_project import project_folder
from orchestration.installation.home import Home

# After which loads the hook of a build tidies tables: each second.
TIDYING = ("--vars", "{loads_between_tidyings: 2}")
_WITHOUT_TESTS = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
_GOOD = (NodeStatus.Success, NodeStatus.Pass, NodeStatus.Skipped)


class BuildError(Exception):
    """dbt failed on Spark: its error, or the nodes that failed with their messages."""


@dataclass(frozen=True)
class Stored:
    """What is stored of a table.

    Args:
        snapshots: states of the table that can be read.
        data_files: those of its rows now.
        delete_files: those which name rows that are no longer there.
        files: all files in its folder, with those of former states.
        size: of them all, in bytes.

    """

    snapshots: int
    data_files: int
    delete_files: int
    files: int
    size: int


@dataclass
class SparkEngine:
    """The models of an installation on Spark.

    Args:
        home: where its tables are, and its contracts.

    """

    home: Home
    _manifest: Any = field(default=None, init=False)
    # Whose tables the session of the process has: it opens its catalog once.
    _serving: ClassVar[Home | None] = None

    @classmethod
    def of(cls, root: Path, seeds: Path) -> SparkEngine:
        """An installation without tables but those of `raw`, which are empty."""
        home = Home(root, seeds)
        home.create()
        home.spark.mkdir()
        engine = cls(home)
        engine.invoke("run-operation", "create_raw_tables")
        return engine

    @property
    def session(self) -> SparkSession:
        if SparkEngine._serving != self.home:
            self.invoke("run-operation", "create_raw_tables")
        return SparkSession.builder.getOrCreate()

    @contextmanager
    def lent(self, folder: Path) -> Iterator[None]:
        """Have builds take what is lent and give back their tables, as a run does, in the block."""
        variables = {"SALDO_SPARK_LENT": str(folder), "SALDO_SPARK_MADE": str(self.made)}
        self.made.mkdir(parents=True, exist_ok=True)
        with mock.patch.dict(os.environ, variables):
            yield
        shutil.rmtree(self.made)

    @property
    def made(self) -> Path:
        """Where to the models that a build has made are given back."""
        return self.home.scratch / "made_by_spark"

    def finish(self, load_id: int) -> None:
        """Note that the models have processed a load."""
        self.session.sql(f"update raw.loads set finished_at = loaded_at where load_id = {load_id}")

    def build(self, *options: str) -> None:
        """Build the models; options are dbt's."""
        self.invoke("build", *_WITHOUT_TESTS, *TIDYING, *options)

    def invoke(self, *arguments: str) -> Any:
        """Run dbt.

        Raises:
            BuildError: it failed.

        """
        if SparkEngine._serving not in (None, self.home):
            SparkSession.builder.getOrCreate().stop()
        SparkEngine._serving = self.home
        os.environ.update(self.home.environment())
        os.environ["DBT_LOG_LEVEL_FILE"] = "none"
        where = ("--target", "spark", "--project-dir", str(project_folder(self.home)))
        if self._manifest is None:
            parsed = dbtRunner().invoke(["parse", "--quiet", "--no-write-json", *where])
            assert parsed.success, parsed.exception
            self._manifest = parsed.result
        done = dbtRunner(manifest=self._manifest).invoke(
            [arguments[0], "--quiet", "--no-write-json", *where, *arguments[1:]]
        )
        if not done.success:
            raise BuildError(done.exception or _failed(done.result.results))
        return done.result

    @contextmanager
    def changed_macro(self, name: str, former: str, latter: str) -> Iterator[None]:
        """Have a macro of the project say something else until the block ends."""
        macro = self._manifest.macros[f"macro.saldo.{name}"]
        kept = macro.macro_sql
        assert former in kept
        macro.macro_sql = kept.replace(former, latter)
        try:
            yield
        finally:
            macro.macro_sql = kept

    @contextmanager
    def changed_model(self, name: str, former: str, latter: str) -> Iterator[None]:
        """Have a model of the project say something else until the block ends."""
        model = self._manifest.nodes[f"model.saldo.{name}"]
        kept = model.raw_code
        assert former in kept
        model.raw_code = kept.replace(former, latter)
        try:
            yield
        finally:
            model.raw_code = kept

    @contextmanager
    def as_dbt_spark_has(self, name: str) -> Iterator[None]:
        """Have a macro of the project say what dbt-spark's own says until the block ends."""
        macro, theirs = (
            self._manifest.macros[f"macro.{of}.{name}"] for of in ("saldo", "dbt_spark")
        )
        kept = macro.macro_sql
        macro.macro_sql = theirs.macro_sql
        try:
            yield
        finally:
            macro.macro_sql = kept

    @property
    def manifest(self) -> Any:
        return self._manifest

    def stored(self, schema: str, name: str) -> Stored:
        """What is stored of a table."""
        table = f"{schema}.{name}"
        ((data, deletes),) = self.session.sql(
            f"select count_if(content = 0), count_if(content <> 0) from {table}.files"
        ).collect()
        folder = self.home.spark / "tables" / schema / name
        files = [path for path in folder.rglob("*") if path.is_file()]
        return Stored(
            snapshots=self.session.table(f"{table}.snapshots").count(),
            data_files=data,
            delete_files=deletes,
            files=len(files),
            size=sum(path.stat().st_size for path in files),
        )

    def rows(self, schema: str, name: str) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
        """The columns of a relation, and its rows."""
        frame = self.session.table(f"{schema}.{name}")
        return frame.columns, [tuple(row) for row in frame.collect()]


def _failed(results: Iterable[Any]) -> str:
    # What an operation came to has no node.
    return "\n".join(
        f"{getattr(each, 'node', each).unique_id}: {each.message}"
        for each in results
        if each.status not in _GOOD
    )
