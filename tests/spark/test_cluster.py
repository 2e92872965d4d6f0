"""Days whose models are built on a cluster of Spark, over Spark Connect."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import spark_connect, warehouse
from orchestration.installation.spark import NoSparkError, Spark
from tests.orchestration.installations import Installed, install
from tests.spark.cluster import at_work
from tests.spark.commands import published_tables, started, wait_for

_DAYS = 2


def test_a_worker_is_killed_in_the_middle_of_a_build_and_every_row_is_as_on_duckdb(
    tmp_path: Path,
) -> None:
    """The replay builds on the cluster what DuckDB had built, of the same instants."""
    with install(tmp_path / "day", Installed, _DAYS) as site, at_work(tmp_path / "cluster") as here:
        before = published_tables(site.home)
        variables = {"SALDO_TARGET": "spark_connect", "SALDO_SPARK_REMOTE": here.remote}
        log = site.home.root / "logs" / f"{DAYS[0]}.log"
        log.unlink()

        with started(site, variables, "replay") as running:
            wait_for(running, log, "sql incremental model main.debts")
            assert all(worker.tasks for worker in here.workers), "a worker had nothing to do"
            here.workers[0].kill()
            status = running.wait()

        assert status == 0, log.read_text()[-5000:]
        # Most of the two loads is the work of the one that is left.
        assert here.workers[1].tasks > here.workers[0].tasks
        with warehouse.reading(site.home) as connection:
            noted = connection.execute("select engine from main.engine").fetchall()
        assert noted == [(Spark().place(site.home),)]
        assert published_tables(site.home) == before


def test_a_cluster_without_a_worker_is_told_before_a_load_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark waits for one, for ever and without a word."""
    monkeypatch.setattr(spark_connect, "_ANSWERED_SECONDS", 20)
    with (
        at_work(tmp_path / "cluster", workers=()) as here,
        pytest.raises(NoSparkError, match=r"no worker takes work from the server at 127\.0\.0\.1:"),
    ):
        spark_connect.require(here.remote)
