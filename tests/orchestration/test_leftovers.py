"""A test session that is killed leaves no server, and its folders go when the next one begins."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation.home import PROJECT
from tests.orchestration import leftovers

PROGRAM = """
import sys
from pathlib import Path
from orchestration.devtools.loopback_sftp import serve
folder = Path(sys.argv[1])
with serve(folder / "root", folder / "state") as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""
_PATIENCE_SECONDS = 60


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def test_the_server_of_a_process_that_is_killed_ends_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert _answers(port)
        process.send_signal(signal.SIGKILL)
        process.wait()
    began_at = time.monotonic()
    while _answers(port) and time.monotonic() - began_at < _PATIENCE_SECONDS:
        time.sleep(0.05)
    assert not _answers(port)


def test_the_folders_of_killed_sessions_are_removed_and_no_others(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    living, of_pytest = os.getpid(), tmp_path / "pytest-of-somebody"
    removed = [tmp_path / f"saldo-tests-{gone.pid}-a", of_pytest / "pytest-1"]
    kept = [
        tmp_path / f"saldo-tests-{living}-a",
        tmp_path / "saldo-tests-of-somebody",
        of_pytest / "pytest-2",
        of_pytest / "pytest-3",
    ]
    for folder in (*removed, *kept):
        (folder / "within").mkdir(parents=True)
    for number, lock in ((1, str(gone.pid)), (2, str(living))):
        (of_pytest / f"pytest-{number}" / ".lock").write_text(lock)
    leftovers.sweep(tmp_path)
    assert [folder.exists() for folder in removed] == [False, False]
    assert [folder.exists() for folder in kept] == [True] * len(kept)


def test_a_disk_that_a_killed_session_left_mounted_is_no_hindrance(
    tmp_path: Path, mount_small_disk: Callable[..., None]
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    of_session = tmp_path / "pytest-of-somebody" / "pytest-1"
    disk = of_session / "disk"
    disk.mkdir(parents=True)
    (of_session / ".lock").write_text(str(gone.pid))
    mount_small_disk(disk, megabytes=1)
    with (disk / "open").open("w"):
        leftovers.sweep(tmp_path)
    assert not of_session.exists()
