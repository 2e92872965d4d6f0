"""Days whose models are built on Spark: the command, from the inboxes to the published copy."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import duckdb
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation.home import Home
from tests.orchestration.installations import Installed, install
from tests.spark.commands import published_tables, started, wait_for

ON_SPARK = {"SALDO_TARGET": "spark"}
# Of the sample, whom Lumina claims nothing from after the third day (docs/erasing.md).
PERSON = "19153032-2"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The demo after two days on DuckDB."""
    with install(tmp_path_factory.mktemp("day"), Installed, 2) as installed:
        yield installed


def test_a_home_goes_to_spark_by_a_replay_alone_and_its_tables_stay_as_they_are(
    site: Installed,
) -> None:
    before = published_tables(site.home)
    site.upload(DAYS[2])

    refused = site.command("run", "--date", DAYS[2].isoformat(), **ON_SPARK)

    assert refused.returncode == 1
    assert "built on duckdb, and would be on spark in " in refused.stdout + refused.stderr
    assert published_tables(site.home) == before
    replayed = site.command("replay", **ON_SPARK)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert published_tables(site.home) == before


def test_a_day_on_spark_that_was_killed_is_carried_on(site: Installed) -> None:
    day = DAYS[2].isoformat()
    with started(site, ON_SPARK, "run", "--date", day) as running:
        log = site.home.root / "logs" / f"{day}.log"
        wait_for(running, log, "sql incremental model main.debts")
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
    before = published_tables(site.home)

    verified = site.command("verify", **ON_SPARK)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    replayed = site.command("replay")

    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert published_tables(site.home) == before


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
