"""The demo's three days on both engines, which the tests share; what was compared after each."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from orchestration.installation.project_yaml import raw_tables
from tests.orchestration.installations import Installed, install
from tests.spark.both_engines import BothEngines, Compared
from tests.spark.duckdb_engine import DuckDBEngine
from tests.spark.spark_engine import SparkEngine, Stored

DAYS = 3
# Schema and name.
Table = tuple[str, str]


def pytest_configure() -> None:
    """Set the time zone in which PySpark gives instants, and have numpy begin no thread: a process
    that was forked beside one may wait for it for ever (tests/orchestration/forking.py).
    """
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"


@dataclass(frozen=True)
class Demo:
    """The demo after its days; what was compared after each, and what was stored of each table."""

    engines: BothEngines
    compared: list[Compared]
    stored: list[Mapping[Table, Stored]]


@pytest.fixture(scope="session")
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo's days on both engines.

    Raises:
        AssertionError: a relation is not the same on both engines after one of them.

    """
    root = tmp_path_factory.mktemp("demo")
    with install(root / "days", Installed, DAYS) as installed:
        days = installed.home
    duckdb = DuckDBEngine.replaying(days, root / "duckdb")
    engines = BothEngines(duckdb, SparkEngine.of(root / "spark", days.seeds))
    compared, stored = [], []
    for day in range(1, DAYS + 1):
        engines.carry()
        compared.append(engines.compare(with_views=day == DAYS))
        stored.append({table: engines.spark.stored(*table) for table in tables(engines)})
        say = request.config.get_terminal_writer()
        say.line(f"the demo, day {day}: equal on both engines: {compared[-1]}")
    return Demo(engines, compared, stored)


def tables(engines: BothEngines) -> list[Table]:
    """Each table of Spark, those of `raw`, too."""
    return [*engines.relations(with_views=False), *(("raw", name) for name in raw_tables())]
