"""Days whose models are built on Spark: the command, from the inboxes to the published copy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.installations import Installed, install

ON_SPARK = {"SALDO_TARGET": "spark"}
# Of the sample, whom Lumina claims nothing from after the third day (docs/erasing.md).
PERSON = "19153032-2"
_PATIENCE_SECONDS = 900


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The demo after two days on DuckDB."""
    with install(tmp_path_factory.mktemp("day"), Installed, 2) as installed:
        yield installed


def test_a_home_goes_to_spark_by_a_replay_alone_and_its_tables_stay_as_they_are(
    site: Installed,
) -> None:
    before = _tables(site.home)
    site.upload(DAYS[2])

    refused = site.command("run", "--date", DAYS[2].isoformat(), **ON_SPARK)

    assert refused.returncode == 1
    assert "built on duckdb, and would be on spark in " in refused.stdout + refused.stderr
    assert _tables(site.home) == before
    replayed = site.command("replay", **ON_SPARK)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert _tables(site.home) == before


def test_a_day_on_spark_that_was_killed_is_carried_on(site: Installed) -> None:
    day = DAYS[2].isoformat()
    with _started(site, "run", "--date", day) as running:
        _wait_for(site.home.root / "logs" / f"{day}.log", "sql incremental model main.debts")
        os.killpg(running.pid, signal.SIGKILL)

    ran = site.command("run", "--date", day, **ON_SPARK)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "carrying a load through that landed before" in ran.stdout
    with install(site.home.root.parent / "on_duckdb", Installed, 3) as other:
        assert _files(site.home) == _files(other.home)


def test_an_erasure_leaves_no_file_on_spark_with_the_person(site: Installed) -> None:
    assert _holding(site.home, PERSON), "she is nowhere before"

    erased = site.command("erase", "lumina", PERSON, **ON_SPARK)

    assert erased.returncode == 0, erased.stdout + erased.stderr
    assert not _holding(site.home, PERSON)


def test_and_comes_back_to_duckdb_with_every_row(site: Installed) -> None:
    """The replay builds on DuckDB what Spark had built, of the same instants."""
    before = _tables(site.home)

    verified = site.command("verify", **ON_SPARK)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    replayed = site.command("replay")

    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert _tables(site.home) == before


@contextmanager
def _started(site: Installed, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command on Spark, with its dbt in one group of processes."""
    running = subprocess.Popen(
        [sys.executable, "-m", "orchestration", *arguments],
        cwd=PROJECT,
        env={**os.environ, **site.environment, **ON_SPARK},
        start_new_session=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def _wait_for(log: Path, text: str) -> None:
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < patience_ends, f"{log} never had {text}"
        time.sleep(0.2)


def _tables(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every row of what is published, but when that was."""
    with duckdb.connect(str(home.analytics), read_only=True) as connection:
        names = [
            name
            for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()
            if name not in ("deliveries", "published_at")
        ]
        return {
            name: connection.execute(f"select * from {name} order by all").fetchall()
            for name in names
        }


def _files(home: Home) -> dict[str, bytes]:
    """The payments files of all days."""
    return {
        str(path.relative_to(home.outbox)): path.read_bytes()
        for path in sorted(home.outbox.rglob("*.csv"))
    }


def _holding(home: Home, text: str) -> list[str]:
    """The files of Spark's tables with a row that has a text."""
    with duckdb.connect() as connection:
        return [
            str(path)
            for path in sorted(home.spark.rglob("*.parquet"))
            if connection.execute(
                "select 1 from read_parquet(?) as content where contains(content::varchar, ?)",
                [str(path), text],
            ).fetchone()
        ]
