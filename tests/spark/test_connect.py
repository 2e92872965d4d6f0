"""A Spark Connect server: what is told of another one, and how a session with it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import spark_connect
from orchestration.installation.dbt_project import CONNECT, DBT, project_folder
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.spark import NoSparkError, forget
from tests.orchestration.installations import Installed, install
from tests.spark import settings
from tests.spark.cluster import left_at_work, serving
from tests.spark.commands import kill, published_tables, started, wait_for

AS_DBT_HAS_IT = {"spark.connect.progress.reportInterval": "-1"}
# Rows that are there before the debts are, once more.
_AGAIN = """
    insert into raw.invoices
    select each.* from raw.invoices as each
    cross join (select reflect('java.lang.Thread', 'sleep', 60000L) as waited) as slow
    where slow.waited is null
"""
# Longer than it takes to end it, so that it is known to have been at work.
_SECONDS = 30


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def remote(root: Path) -> Iterator[str]:
    """The address of a server without a cluster."""
    with serving(root, "local[2]") as address:
        yield address


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    return home


def test_the_settings_of_the_profile_overrule_those_of_a_server(home: Home, tmp_path: Path) -> None:
    wanted = settings.of_each_session(home)
    each = "{{ print(run_query('set `' ~ name ~ '`').rows[0] | join('=')) }}"
    asked = f"{{% for name in {[*wanted]} if execute %}}{each}{{% endfor %}}"
    home.spark.mkdir()
    with serving(tmp_path, "local[1]", settings.OTHERS) as remote:
        said = subprocess.run(
            [*DBT, "--no-populate-cache", "compile", "--quiet", "--inline", asked],
            cwd=project_folder(home),
            env={
                **os.environ,
                **home.environment(),
                "SALDO_TARGET": CONNECT,
                "SALDO_SPARK_REMOTE": remote,
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    lines = (line.partition("=") for line in said.splitlines())
    assert {name: value for name, _, value in lines if name in wanted} == wanted


def test_what_a_killed_process_asked_has_ended_when_its_session_has(
    home: Home, root: Path, remote: str
) -> None:
    written = home.root / "written"
    asked_at = time.monotonic()
    sql = (
        f"insert overwrite directory '{written}' using parquet"
        f" select reflect('java.lang.Thread', 'sleep', {_SECONDS}000L) as waited"
    )
    left_at_work(root, remote + spark_connect.begin(home, remote), sql, AS_DBT_HAS_IT)

    spark_connect.end(home, remote)

    assert not home.spark_session.exists()
    assert time.monotonic() < asked_at + _SECONDS
    time.sleep(asked_at + _SECONDS + 5 - time.monotonic())
    assert not list(written.rglob("*.parquet"))


def test_a_run_that_was_killed_is_carried_on_and_what_it_left_at_work_adds_no_row(
    tmp_path: Path, root: Path, remote: str
) -> None:
    """A statement of the run's session stands for one of many rows, at which the run was killed."""
    variables = {"SALDO_TARGET": CONNECT, "SALDO_SPARK_REMOTE": remote}
    day = DAYS[1].isoformat()
    with install(tmp_path, Installed) as site:
        site.upload(DAYS[0])
        ran = site.command("run", "--date", DAYS[0].isoformat(), **variables)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        site.upload(DAYS[1])
        log = site.home.root / "logs" / f"{day}.log"
        with started(site, variables, "run", "--date", day) as running:
            wait_for(running, log, "sql incremental model main.debts")
            kill(running)
        noted = json.loads(site.home.spark_session.read_text("utf-8"))
        session = f"/;user_id={noted['user_id']};session_id={noted['session_id']}"
        left_at_work(root, remote + session, _AGAIN)

        ran = site.command("run", "--date", day, **variables)

        # A file of that day is held.
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "held (too_many_withdrawals)" in ran.stdout
        assert "carrying a load through that landed before" in ran.stdout
        assert not site.home.spark_session.exists()
        after = published_tables(site.home)
        replayed = site.command("replay")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert published_tables(site.home) == after


def test_a_statement_that_cannot_be_waited_for_is_told(home: Home, root: Path, remote: str) -> None:
    """A server has forgotten the first that it has told of it: whether it has ended is unknown."""
    sql = f"select reflect('java.lang.Thread', 'sleep', {_SECONDS}000L) as waited"
    sql = f"insert overwrite directory '{home.root / 'written'}' using parquet {sql}"
    left_at_work(root, remote + spark_connect.begin(home, remote), sql)
    with pytest.raises(NoSparkError, match=r"may be at work there, and cannot be ended"):
        spark_connect.end(home, remote)
    assert home.spark_session.exists()


def test_a_server_that_cannot_say_any_more_what_it_interrupted_is_told_until_the_note_is_deleted(
    home: Home, remote: str
) -> None:
    """It was restarted after it had been asked: no run can know whether a statement has ended."""
    spark_connect.begin(home, remote)
    noted = json.loads(home.spark_session.read_text("utf-8"))
    home.spark_session.write_text(json.dumps({**noted, "is_interrupted": True}))
    for _ in range(2):
        with pytest.raises(
            NoSparkError,
            match=r"did not say what it had interrupted.*; or restart it, .* and delete .*_session",
        ):
            spark_connect.end(home, remote)
        assert home.spark_session.exists()


def test_a_session_that_never_began_or_that_the_server_has_forgotten_is_ended(
    home: Home, remote: str
) -> None:
    spark_connect.begin(home, remote)
    spark_connect.end(home, remote)
    assert not home.spark_session.exists()


def test_a_session_that_cannot_be_ended_is_told_and_no_table_is_deleted(
    home: Home, remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.spark.mkdir()
    spark_connect.begin(home, remote)
    with socket.create_server(("127.0.0.1", 0)) as other:
        others = f"sc://127.0.0.1:{other.getsockname()[1]}"
    for address in (others, ""):
        monkeypatch.setenv("SALDO_SPARK_REMOTE", address)
        with pytest.raises(NoSparkError, match=r"may be at work there.*SALDO_SPARK_REMOTE names"):
            forget(home)
        assert home.spark.exists()
    monkeypatch.setenv("SALDO_SPARK_REMOTE", remote)
    forget(home)
    assert not home.spark.exists()


def test_a_server_of_another_version_is_told(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spark_connect.require(remote)
    monkeypatch.setattr("pyspark.__version__", "4.0.1")
    with pytest.raises(
        NoSparkError, match=r"has Spark 4\.1\.\d+, and rows are known .* with 4\.0 only"
    ):
        spark_connect.require(remote)


def test_a_port_at_which_no_such_server_is_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_connect, "REACHED_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"sc://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(NoSparkError, match="does not answer as a Spark Connect server"):
            spark_connect.require(address)


def test_a_token_of_a_wrong_address_is_not_told() -> None:
    with pytest.raises(NoSparkError, match=r"(?!.*Z2V)^.*names no server of a cluster"):
        spark_connect.require("sc://127.0.0.1:1/;token=Z2V==")
