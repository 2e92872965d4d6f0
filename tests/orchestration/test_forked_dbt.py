"""dbt in a forked process: what a started one does, and it outlives its run with the lock (R29)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.installation import locking
from orchestration.installation.forked_dbt import ForkedDbt
from orchestration.installation.home import PROJECT, Home

# A run that forks a dbt which works until it is killed, and waits to be killed.
RUN = """
import sys, time
from pathlib import Path
from dbt.cli import main
from orchestration.installation import locking
from orchestration.installation.forked_dbt import ForkedDbt
from orchestration.installation.home import Home

def work(*_, **__):
    print("at work")
    time.sleep(60)

main.cli = work
home = Home(Path(sys.argv[1]), Path("seeds"))
with locking.exclusive(home):
    child = ForkedDbt([], {}, Path.cwd())
    child.stdout.readline()
    print(child.pid, flush=True)
    time.sleep(60)
"""


# A run that forks a dbt whose words nobody reads, and notes who comes back from that.
UNREAD = """
import os, sys
from pathlib import Path
from dbt.cli import main
from orchestration.installation.forked_dbt import ForkedDbt

def work(*_, **__):
    os.read(waiting, 1)
    print("nobody reads this", end="")

main.cli = work
waiting, going = os.pipe()
noted = Path(sys.argv[1])
try:
    child = ForkedDbt([], {}, Path.cwd())
finally:
    with noted.open("a") as note:
        note.write("came back\\n")
child.stdout.close()
os.write(going, b".")
child.wait()
"""


def _run_dbt(*arguments: str, folder: Path = PROJECT, **variables: str) -> tuple[int, str]:
    dbt = ForkedDbt(arguments, {**os.environ, **variables}, folder)
    with dbt.stdout:
        said = dbt.stdout.read().decode()
    return dbt.wait(), said


def test_it_says_what_dbt_says_and_ends_with_its_status() -> None:
    status, said = _run_dbt("--version")
    assert status == 0
    assert "Core:" in said
    status, said = _run_dbt("nonsense")
    assert status == 2
    assert "No such command 'nonsense'" in said


def test_it_has_its_own_environment_and_folder(home: Home, tmp_path: Path) -> None:
    here = Path.cwd()
    status, said = _run_dbt(
        "debug", folder=tmp_path, **{**home.environment(), "DBT_PROFILES_DIR": f"{tmp_path}/none"}
    )
    assert status == 1
    assert f"profiles.yml file at {tmp_path}/none" in said.replace("Using ", "")
    assert f"dbt_project.yml file at {tmp_path}" in said.replace("Using ", "")
    assert os.environ.get("DBT_PROFILES_DIR") != f"{tmp_path}/none"
    assert Path.cwd() == here


def test_an_interrupted_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from dbt.cli import main

    def sleep(*_: object, **__: object) -> None:
        print("at work")  # noqa: T201 (what it says goes to its own stream)
        time.sleep(60)

    monkeypatch.setattr(main, "cli", sleep)
    dbt = ForkedDbt([], os.environ, PROJECT)
    with dbt.stdout:
        assert dbt.stdout.readline() == b"at work\n"
        with pytest.raises(subprocess.TimeoutExpired):
            dbt.wait(timeout=0.1)
        dbt.send_signal(signal.SIGINT)
        assert dbt.wait(timeout=30) == 1
        assert b"KeyboardInterrupt" in dbt.stdout.read()
    dbt.send_signal(signal.SIGINT)


def test_one_that_outlives_its_run_holds_the_home(home: Home) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(home.root)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert run.stdout is not None
    child = int(run.stdout.readline())
    run.kill()
    run.wait()
    run.stdout.close()
    try:
        orphan = f"the dbt that process {run.pid} left behind when it was killed"
        assert locking.holder(home) == orphan
    finally:
        os.kill(child, signal.SIGKILL)
    for _ in range(100):
        if locking.holder(home) is None:
            return
        time.sleep(0.05)
    pytest.fail("the home is still held")


def test_one_whose_words_nobody_reads_ends_and_does_not_go_on_as_the_run(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    subprocess.run([sys.executable, "-c", UNREAD, str(noted)], cwd=PROJECT, check=True)
    assert noted.read_text() == "came back\n"
