"""The faults of a soak. Each happens to real servers, folders and processes while a date is run.

This module has no tests. These are the faults of docs/reliability.md that can happen on any date.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import paramiko

from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation.home import PROJECT
from tests.orchestration.histories import business_date
from tests.orchestration.soak import Soak, Unsteady

Fault = Callable[[Soak], AbstractContextManager[None]]
# Faults of one server. Two at a time would hide each other.
SERVER_FAULTS: dict[str, Fault] = {}
OTHER_FAULTS: dict[str, Fault] = {}


def _fault_of_server(name: str) -> Callable[[Callable[[Soak, Unsteady], Iterator[None]]], None]:
    def register(happens: Callable[[Soak, Unsteady], Iterator[None]]) -> None:
        def of_one(soak: Soak) -> Iterator[None]:
            server = soak.unsteady[soak.counts["dates"] % len(soak.unsteady)]
            soak.troubled.add(server.organization_id)
            yield from happens(soak, server)

        SERVER_FAULTS[name] = contextmanager(of_one)

    return register


def _fault(name: str) -> Callable[[Callable[[Soak], Iterator[None]]], None]:
    def register(happens: Callable[[Soak], Iterator[None]]) -> None:
        OTHER_FAULTS[name] = contextmanager(happens)

    return register


@_fault_of_server("a server is down")
def _(_: Soak, server: Unsteady) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@_fault_of_server("the network to a server is parted")
def _(soak: Soak, server: Unsteady) -> Iterator[None]:
    network = server.network
    passed = network.bytes_from_server + soak.faults.randrange(20_000)
    network.part_once(lambda: network.bytes_from_server > passed)
    yield
    network.mend()


@_fault_of_server("the clock of a server is a year ahead")
def _(soak: Soak, server: Unsteady) -> Iterator[None]:
    for path in soak.left:
        if path.is_relative_to(server.root):
            ahead = path.stat().st_mtime + 365 * 86400
            os.utime(path, (ahead, ahead))
    yield


@_fault_of_server("a server refuses the key of ours")
def _(_: Soak, server: Unsteady) -> Iterator[None]:
    accepted = server.state / "authorized_keys"
    content = accepted.read_text()
    other = paramiko.ECDSAKey.generate()
    accepted.write_text(f"{other.get_name()} {other.get_base64()}\n")
    yield
    accepted.write_text(content)


@_fault_of_server("the key of a server is not the known one")
def _(soak: Soak, server: Unsteady) -> Iterator[None]:
    known = Path(soak.environment["SFTP_KNOWN_HOSTS_FILE"])
    content = known.read_text()
    port = server.network.port
    steady_key = soak.steady.known_hosts_file.read_text().split(maxsplit=1)[1]
    others = [line for line in content.splitlines(keepends=True) if f":{port} " not in line]
    known.write_text("".join(others) + f"[{HOST}]:{port} {steady_key}")
    yield
    known.write_text(content)


@_fault("an inbox is gone")
def _(soak: Soak) -> Iterator[None]:
    yield from _moved_away(soak.folder(soak.draw_troubled()) / "inbox")


@_fault("an outbox is gone")
def _(soak: Soak) -> Iterator[None]:
    yield from _moved_away(soak.folder(soak.draw_troubled()) / "outbox")


def _moved_away(folder: Path) -> Iterator[None]:
    away = folder.with_name(f"{folder.name}_away")
    folder.rename(away)
    yield
    away.rename(folder)


@_fault("an inbox holds what is none of ours")
def _(soak: Soak) -> Iterator[None]:
    inboxes = [soak.folder(each) / "inbox" for each in sorted(soak.histories)]
    inbox = soak.faults.choice([each for each in inboxes if each.exists()])
    folder, other = inbox / "2026-03-01_toku_invoices.csv.d", inbox / "leeme.txt"
    folder.mkdir()
    other.write_text("no es un archivo de deudas")
    yield
    folder.rmdir()
    other.unlink()


@_fault("events come twice")
def _(soak: Soak) -> Iterator[None]:
    current = soak.home.events / "processor.jsonl"
    current.touch()
    shutil.copyfile(current, current.with_name(f"again_{soak.counts['events come twice']}.jsonl"))
    yield


@_fault("a file of events is rotated")
def _(soak: Soak) -> Iterator[None]:
    current = soak.home.events / "processor.jsonl"
    current.touch()
    current.rename(current.with_name(f"rotated_{soak.counts['a file of events is rotated']}.jsonl"))
    yield


@_fault("the folder of events holds what is no file")
def _(soak: Soak) -> Iterator[None]:
    folder = soak.home.events
    (folder / "folder.jsonl").mkdir()
    (folder / "dangling.jsonl").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.jsonl")
    strange = os.fsencode(folder) + b"/caf\xe9.jsonl"
    Path(os.fsdecode(strange)).write_bytes(b"")
    yield
    (folder / "folder.jsonl").rmdir()
    for name in ("dangling.jsonl", "pipe.jsonl"):
        (folder / name).unlink()
    Path(os.fsdecode(strange)).unlink()


@_fault("an analyst holds the warehouse")
def _(soak: Soak) -> Iterator[None]:
    if not soak.home.warehouse.exists():
        yield
        return
    read = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True); time.sleep(6)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", read, str(soak.home.warehouse)], stderr=subprocess.DEVNULL
    ):
        yield


@_fault("the published copy is damaged")
def _(soak: Soak) -> Iterator[None]:
    if soak.home.analytics.exists():
        os.truncate(soak.home.analytics, soak.home.analytics.stat().st_size // 2)
    yield


@_fault("the command runs beside the daemon")
def _(soak: Soak) -> Iterator[None]:
    day = business_date(soak.counts["dates"])
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration", "run", "--date", day.isoformat()],
        cwd=PROJECT,
        env=soak.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        yield


@_fault("the daemon is killed")
def _(soak: Soak) -> Iterator[None]:
    timer = threading.Timer(random.uniform(2, 15), _replace_daemon, [soak])
    timer.start()
    yield
    timer.join()


def _replace_daemon(soak: Soak) -> None:
    soak.kill_daemon()
    soak.start_daemon()
