"""A dbt that a run forks is to the run what a dbt that is started is."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from orchestration.installation import dbt_forks
from orchestration.installation.dbt_project import DBT
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.starting import lend_parse

_PATIENCE_SECONDS = 60
FROM_TERMINALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# Forks stand-ins for dbt that say so and sleep, once it is told to begin.
SLEEPING = """
import os, socket, sys, time
from orchestration.installation import dbt_forks

run = os.dup(0)
with socket.socket(socket.AF_UNIX) as forks:
    forks.bind(sys.argv[1])
    forks.listen()
    print("asked for", flush=True)
    os.read(run, 1)
    order = dbt_forks.fork_whenever_asked(forks, run)
if order is not None:
    dbt_forks.become(order)
    print(os.getpid(), flush=True)
    time.sleep(60)
    print("slept", flush=True)
"""
# A run that forks its dbts and is killed: it says where it can be asked, and waits.
KILLED = """
import sys
from orchestration.installation import dbt_forks

with dbt_forks.lent():
    print(dbt_forks.command()[-1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _as_in_the_foreground() -> Iterator[None]:
    """A job in the background ignores what a terminal sends, and so does what it starts."""
    former = {number: signal.signal(number, signal.SIG_DFL) for number in FROM_TERMINALS}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def _wait_until(is_so: Callable[[], bool]) -> None:
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < patience_ends
        time.sleep(0.05)


def _run(home: Home, *command: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, **home.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, re.sub(r"\d\d:\d\d:\d\d", "TIME", done.stdout), done.stderr


@pytest.fixture(scope="class")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """What a run starts as dbt while it has dbts forked, without a dbt that it could start."""
    assert dbt_forks.command() is None
    with dbt_forks.lent():
        command = dbt_forks.command()
        assert command is not None
        with dbt_forks.lent():
            assert dbt_forks.command() == command
        *python, script, place = command
        alone = shutil.copy(script, tmp_path_factory.mktemp("alone"))
        yield *python, str(alone), place
    assert dbt_forks.command() is None
    assert not Path(place).parent.exists()


class TestForkedDbt:
    """What dbt says, of a process that has its libraries."""

    @pytest.mark.parametrize(
        ("typed", "status"),
        [
            ("--version", 0),
            ("ls --quiet --output path --select debts --no-partial-parse", 0),
            ("ls --quiet --select nothing_of_this_name --warn-error", 2),
            ("nonsense", 2),
        ],
    )
    def test_it_says_and_ends_as_a_started_one(
        self, asking: tuple[str, ...], home: Home, typed: str, status: int
    ) -> None:
        lend_parse(home)
        started = _run(home, *DBT, *typed.split())
        assert started[0] == status, started
        assert started[1] or started[2]
        assert _run(home, *asking, *typed.split()) == started
        # Of what ended, and of what was said to it, nothing is left for the next.
        assert _run(home, *asking, *typed.split()) == started


def test_where_nobody_forks_dbt_is_started(home: Home, tmp_path: Path) -> None:
    asking = [sys.executable, "-I", "-S", str(dbt_forks.ASKING), str(tmp_path / "none")]
    assert _run(home, *asking, "--version") == _run(home, *DBT, "--version")


def test_where_no_socket_is_to_be_had_dbt_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with dbt_forks.lent():
        assert dbt_forks.command() is None
    assert list(long.iterdir()) == []


def test_on_an_old_linux_dbt_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", fail)
    with dbt_forks.lent():
        assert dbt_forks.command() is None


@contextmanager
def _forking(
    folder: Path, *, is_at_work: bool = True
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """What forks stand-ins that sleep, and where it is asked."""
    place = folder / "forks"
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPING, place],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as forks:
        assert forks.stdout is not None
        assert forks.stdout.readline() == b"asked for\n"
        if is_at_work:
            _begin(forks)
        yield forks, place
        assert forks.stdin is not None
        forks.stdin.close()


def _begin(forks: subprocess.Popen[bytes]) -> None:
    assert forks.stdin is not None
    forks.stdin.write(b".")
    forks.stdin.flush()


def _ask(place: Path, stdin: IO[str] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", str(dbt_forks.ASKING), str(place), "build"]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _said(dbt: subprocess.Popen[bytes]) -> IO[bytes]:
    assert dbt.stdout is not None
    return dbt.stdout


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL]
)
def test_a_signal_to_whoever_asked_ends_the_dbt(tmp_path: Path, number: signal.Signals) -> None:
    with _forking(tmp_path) as (_, place), _ask(place) as dbt:
        assert int(_said(dbt).readline())
        dbt.send_signal(number)
        # All that have the stream have ended.
        said = _said(dbt).read()
        assert dbt.wait() == -number
    assert (b"KeyboardInterrupt" in said) == (number == signal.SIGINT)


def test_no_dbt_is_begun_for_whoever_has_ended(tmp_path: Path) -> None:
    with _forking(tmp_path, is_at_work=False) as (forks, place), _ask(place) as dbt:
        _wait_until(lambda: b"forks" in Path(f"/proc/{dbt.pid}/cmdline").read_bytes())
        time.sleep(0.5)
        dbt.send_signal(signal.SIGINT)
        assert dbt.wait() == -signal.SIGINT
        _begin(forks)
        assert _said(dbt).read() == b""
        with _ask(place) as next_dbt:
            assert int(_said(next_dbt).readline())
            next_dbt.kill()


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_forked_dbt_holds_the_lock_until_it_ends(tmp_path: Path, *, is_killed: bool) -> None:
    lock = tmp_path / "run.lock"
    with _forking(tmp_path) as (forks, place):
        with lock.open("a+", encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            dbt = _ask(place, held)
        process = int(_said(dbt).readline())
        if is_killed:
            forks.kill()
            forks.wait()
        assert _is_held(lock)
        os.kill(process, signal.SIGKILL)
        said = _said(dbt).read()
        assert dbt.wait() == (1 if is_killed else -signal.SIGKILL)
        assert (b"how dbt ended is not known" in said) == is_killed == bool(said)
        assert not _is_held(lock)


def _is_held(path: Path) -> bool:
    with path.open("r", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_what_forks_ends_with_a_run_that_was_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        place = Path(run.stdout.readline().strip())
        assert place.exists()
        run.kill()
    _wait_until(lambda: not place.parent.exists())
