"""A cluster of Spark on this machine: a master, two workers, and the server that Saldo asks."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from orchestration.devtools.loopback_sftp import free_port
from orchestration.installation.home import PROJECT
from tests.spark.commands import in_a_group, kill, wait_for

_HOST = "127.0.0.1"
# What a server tells of a part of a statement.
_AT_WORK = "Starting task"
# After these, a server has told of progress, if it does.
_PROGRESS_SECONDS = 5
_SMALL_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# For few rows, as `spark` has it in profiles.yml.
_FOR_FEW_ROWS = {
    "spark.driver.memory": "2g",
    "spark.driver.extraJavaOptions": f"{_SMALL_JAVA} -XX:ReservedCodeCacheSize=256m",
    "spark.executor.memory": "640m",
    "spark.executor.extraJavaOptions": _SMALL_JAVA,
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
_COMMAND = re.compile(
    r"^    (PATH=\S+ spark-submit .*?) (spark-internal)$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Worker:
    """A worker of one core.

    Args:
        process: the leader of a group, in which what works for it is, too.
        folder: what it works in.

    """

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def tasks(self) -> int:
        """How many tasks of the server it has done."""
        logs = self.folder.glob("app-*/*/stderr")
        return sum(log.read_text().count("Finished task") for log in logs)

    def kill(self) -> None:
        """End it and all that works for it at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Cluster:
    """A cluster at work.

    Args:
        remote: the address of its server, SALDO_SPARK_REMOTE.
        workers: its workers.

    """

    remote: str
    workers: list[Worker]


@contextmanager
def at_work(root: Path, workers: Sequence[str] = ("worker_1", "worker_2")) -> Iterator[Cluster]:
    """A cluster of workers with these names until the block ends; its logs are in a folder."""
    root.mkdir()
    master_port = free_port()
    master = f"spark://{_HOST}:{master_port}"
    deploy = "org.apache.spark.deploy"
    with ExitStack() as stack:

        def start(name: str, ready: str, *command: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(_started(root / f"{name}.log", ready, command, small))

        spark_class = str(Path(sys.executable).with_name("spark-class"))
        small = {
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": _SMALL_JAVA,
        }
        where = ("--host", _HOST, "--webui-port", "0")
        start(
            "master",
            "New state: ALIVE",
            *(spark_class, f"{deploy}.master.Master", *where, "--port", str(master_port)),
        )
        begun = []
        for name in workers:
            size = ("--cores", "1", "--memory", "1g", "--work-dir", str(root / name))
            process = start(
                name,
                "Successfully registered",
                *(spark_class, f"{deploy}.worker.Worker", *where, *size, master),
            )
            begun.append(Worker(process, root / name))
        yield Cluster(stack.enter_context(serving(root, master)), begun)


@contextmanager
def serving(root: Path, master: str, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server until the block ends, as it is documented; its log is in a folder.

    Args:
        root: the folder.
        master: of its cluster.
        settings: more of its settings.

    Yields:
        Its address, SALDO_SPARK_REMOTE.

    """
    port = free_port()
    all_settings = {
        **_FOR_FEW_ROWS,
        **(settings or {}),
        "spark.local.dir": str(root / "server"),
        "spark.connect.grpc.binding.port": str(port),
    }
    command = ("/bin/sh", "-c", documented_server(master, all_settings))
    with _started(server_log(root), "Connect server started", command, {}):
        yield f"sc://{_HOST}:{port}"


def server_log(root: Path) -> Path:
    """What a server in a folder tells."""
    return root / "server.log"


def left_at_work(
    root: Path, address: str, sql: str, settings: Mapping[str, str] | None = None
) -> None:
    """Have a server be at a statement whose client was killed.

    Args:
        root: the folder with the log of the server.
        address: with the session.
        sql: the statement.
        settings: of the session, beside those that it has.

    """
    log = server_log(root)
    client = (
        "from pyspark.sql import SparkSession;"
        f" builder = SparkSession.builder.remote({address!r}).config(map={settings or {}!r});"
        f" builder.getOrCreate().sql({sql!r})"
    )
    former = log.read_text().count(_AT_WORK)
    with in_a_group((sys.executable, "-c", client), PROJECT, {}) as running:
        while log.read_text().count(_AT_WORK) == former:
            assert running.poll() is None, "the statement has ended"
            time.sleep(0.2)
        time.sleep(_PROGRESS_SECONDS)
        kill(running)


def documented_server(master: str, settings: Mapping[str, str]) -> str:
    """The command of docs/scale.md that starts a server, with another master and more settings."""
    found = _COMMAND.search((PROJECT / "docs" / "scale.md").read_text("utf-8"))
    assert found, "docs/scale.md names no spark-submit"
    more = " ".join(f"--conf {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    return f"{found[1].replace('spark://MASTER:7077', master)} {more} {found[2]}"


@contextmanager
def _started(
    log: Path, ready: str, command: tuple[str, ...], variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, once its log has said that it is ready, until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "SPARK_LOCAL_IP": _HOST, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(process, log, ready)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
