"""An SFTP server on the loopback interface, for the demo and the tests.

Starts OpenSSH's server if it is installed, else asyncssh's in a child process (`python -m
orchestration.devtools.loopback_sftp STATE`). Both use real sockets, keys and files.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import paramiko

HOST = "127.0.0.1"
# Neither those that Linux and macOS give away by themselves, nor one that browsers refuse.
_PORTS = range(11_000, 32_000)
_START_SECONDS = 15.0
# Becomes a command that ends when the process of argv[1] is gone, also by `kill -9`.
_BOUND = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class LoopbackServer:
    """A running server, and what a client needs to reach it.

    Args:
        port: on 127.0.0.1.
        username: the user name; log in with `private_key_file`.
        known_hosts_file: the server's key, for SFTP_KNOWN_HOSTS_FILE.
        root: the folder that a login starts in.
        kind: which server it is.
        process_id: the id of the listening process.

    """

    port: int
    username: str
    private_key_file: Path
    known_hosts_file: Path
    root: Path
    kind: Literal["openssh", "asyncssh"]
    process_id: int

    def environment(self, organization_ids: list[str]) -> dict[str, str]:
        """Return the variables with which Saldo reaches this server for these organizations."""
        keys = {
            f"SFTP_PRIVATE_KEY_FILE_{organization_id.upper()}": str(self.private_key_file)
            for organization_id in organization_ids
        }
        return {**keys, "SFTP_KNOWN_HOSTS_FILE": str(self.known_hosts_file)}


def find_sshd() -> str | None:
    """Return the path of OpenSSH's server, or None if it is not installed."""
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens.

    It is none of those that systems give to connections which ask for any: until a server is
    started on it, or while it is down for a while, no other connection comes to have it.
    """
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError), socket.socket() as candidate:
            candidate.bind((HOST, port))
            return port


@contextmanager
def serve(root: Path, state: Path, port: int | None = None) -> Iterator[LoopbackServer]:
    """Serve a folder for the duration of the context.

    On Linux the server also ends with the thread that called this, if that is killed.

    Args:
        root: the folder; created if missing.
        state: a folder for keys and configuration.
        port: the port; None means a free one.

    """
    root.mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    host_key, client_key = _make_key(state / "host_key"), _make_key(state / "client_key")
    public_key = f"{client_key.get_name()} {client_key.get_base64()}\n"
    (state / "authorized_keys").write_text(public_key)
    known_hosts = state / "known_hosts"
    known_hosts.write_text(f"[{HOST}]:{port} {host_key.get_name()} {host_key.get_base64()}\n")
    sshd = find_sshd()
    process = (
        _start_openssh(sshd, root, state, port) if sshd else _start_stand_in(root, state, port)
    )
    try:
        _await_banner(process, port, state)
        yield LoopbackServer(
            port=port,
            username=getpass.getuser(),
            private_key_file=state / "client_key",
            known_hosts_file=known_hosts,
            root=root,
            kind="openssh" if sshd else "asyncssh",
            process_id=process.pid,
        )
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _start_openssh(sshd: str, root: Path, state: Path, port: int) -> subprocess.Popen[bytes]:
    if os.geteuid() == 0:
        # sshd as root requires its folder for privilege separation.
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)
    configuration = state / "sshd_config"
    configuration.write_text(
        f"""\
ListenAddress {HOST}:{port}
HostKey {state / "host_key"}
AuthorizedKeysFile {state / "authorized_keys"}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
Subsystem sftp internal-sftp -d {root.resolve()}
"""
    )
    with (state / "sshd.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (our own arguments)
            _bound([sshd, "-D", "-e", "-f", str(configuration)]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _start_stand_in(root: Path, state: Path, port: int) -> subprocess.Popen[bytes]:
    settings = {"root": str(root.resolve()), "port": port}
    (state / "stand_in.json").write_text(json.dumps(settings))
    with (state / "sshd.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (our own arguments)
            _bound([sys.executable, "-m", "orchestration.devtools.loopback_sftp", str(state)]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _bound(command: list[str]) -> list[str]:
    """Return a command that ends with this process; sshd is one in a session of its own."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *command]


def _await_banner(process: subprocess.Popen[bytes], port: int, state: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
            if connection.recv(4).startswith(b"SSH"):
                return
        time.sleep(0.05)
    log = (state / "sshd.log").read_text(errors="replace").strip()
    raise RuntimeError(f"the SFTP server on port {port} does not answer: {log}")


def _make_key(path: Path) -> paramiko.PKey:
    if not path.exists():
        key = paramiko.ECDSAKey.generate()
        key.write_private_key_file(str(path))
        path.chmod(0o600)
    return paramiko.ECDSAKey(filename=str(path))


async def _serve_stand_in(state: Path) -> None:
    import asyncssh  # noqa: PLC0415 (only where OpenSSH is not installed)

    settings = json.loads((state / "stand_in.json").read_text())
    root = settings["root"]

    class Rooted(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(channel)
            os.chdir(root)

    await asyncssh.listen(
        HOST,
        settings["port"],
        server_host_keys=[str(state / "host_key")],
        authorized_client_keys=str(state / "authorized_keys"),
        sftp_factory=Rooted,
        allow_scp=False,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_stand_in(Path(sys.argv[1])))
