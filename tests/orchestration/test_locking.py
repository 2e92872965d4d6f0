"""One writer: who comes second waits and is told for whom; an orphaned dbt still counts (R29)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestration.installation import locking
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.locking import WarehouseBusyError

# A run that holds the home, starts a child as dagster-dbt starts dbt, and waits to be killed.
RUN = """
import subprocess, sys, time
from pathlib import Path
from orchestration.installation import locking
from orchestration.installation.home import Home
home = Home(Path(sys.argv[1]), Path("seeds"))
with locking.exclusive(home):
    with locking.lent_to_children(home):
        child = subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def _start(home: Home) -> tuple[subprocess.Popen[str], int]:
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(home.root)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert run.stdout is not None
    return run, int(run.stdout.readline())


def _try(home: Home, wait_seconds: float = 0) -> list[str]:
    """Hold the home for a moment; what was said while waiting."""
    said: list[str] = []
    with locking.exclusive(home, wait_seconds=wait_seconds, say=said.append):
        return said


def test_nobody_holds_a_home_that_is_not_run(home):
    assert locking.holder(home) is None
    assert _try(home) == []
    assert locking.holder(home) is None


def test_the_second_run_is_told_who_holds_the_home(home):
    run, child = _start(home)
    try:
        held_by = rf"process {run.pid}, at work since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        assert re.fullmatch(held_by, str(locking.holder(home)))
        with pytest.raises(WarehouseBusyError, match=rf"is held by {held_by}; wait for it to end"):
            _try(home)
    finally:
        _kill(run.pid, child)
        run.wait()


def test_the_second_run_waits_its_turn_and_says_so_once(home):
    run, child = _start(home)
    killer = threading.Timer(1.5, _kill, [run.pid, child])
    killer.start()
    said = _try(home, wait_seconds=20)
    run.wait()
    assert len(said) == 1
    assert f"is held by process {run.pid}, at work since" in said[0]
    assert said[0].endswith("; waiting for at most 20 seconds")


def test_the_dbt_of_a_killed_run_still_holds_the_home(home):
    run, child = _start(home)
    try:
        run.kill()
        run.wait()
        orphan = f"the dbt that process {run.pid} left behind when it was killed"
        assert locking.holder(home) == orphan
        with pytest.raises(WarehouseBusyError, match=f"is held by {orphan}"):
            _try(home)
    finally:
        _kill(child)
    _wait_until_free(home)
    assert _try(home) == []


def test_within_the_process_that_holds_it_the_home_is_free(home):
    with locking.exclusive(home), locking.exclusive(home, wait_seconds=0):
        assert str(locking.holder(home)).startswith(f"process {os.getpid()},")
    assert locking.holder(home) is None


def test_the_standard_input_is_given_back(home, tmp_path: Path):
    before = os.fstat(0)
    with locking.exclusive(home), locking.lent_to_children(home):
        assert os.fstat(0).st_ino == (home.root / "run.lock").stat().st_ino
    assert os.fstat(0).st_ino == before.st_ino


def _kill(*processes: int) -> None:
    for process in processes:
        os.kill(process, signal.SIGKILL)


def _wait_until_free(home: Home) -> None:
    for _ in range(100):
        if locking.holder(home) is None:
            return
        time.sleep(0.05)
