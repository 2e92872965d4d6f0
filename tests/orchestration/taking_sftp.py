"""An SFTP server whose receiver takes each file at once, on paramiko's server side (R24)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from orchestration.devtools.loopback_sftp import HOST


@dataclass
class TakingServer:
    """A server at work.

    Args:
        port: on 127.0.0.1.
        root: what it serves; a login starts there.
        takes_at: what its receiver takes files at: `close` (of a file that was written), `read`
            (the close of one that was read), `rename`, or `` for nothing.
        is_rename_denied: whether it says that a rename failed which it has made.
        known_hosts_file: its key, for SFTP_KNOWN_HOSTS_FILE.
        private_key_file: any key is let in; this is one.
        taken: the files that the receiver has, by the names they had.

    """

    port: int
    root: Path
    known_hosts_file: Path
    private_key_file: Path
    takes_at: str = ""
    is_rename_denied: bool = False
    taken: list[tuple[str, bytes]] = field(default_factory=list)

    def environment(self, *organization_ids: str) -> dict[str, str]:
        """The variables with which these organizations' servers are reached here."""
        keys = {
            f"SFTP_PRIVATE_KEY_FILE_{organization_id.upper()}": str(self.private_key_file)
            for organization_id in organization_ids
        }
        return {**keys, "SFTP_KNOWN_HOSTS_FILE": str(self.known_hosts_file)}

    def take(self, moment: str, path: Path) -> None:
        """Have the receiver take a file if this is its moment."""
        if moment == self.takes_at and path.exists():
            self.taken.append((path.name, path.read_bytes()))
            path.unlink()


@contextmanager
def serve_taking(root: Path, state: Path) -> Iterator[TakingServer]:
    """Serve a folder until the block ends; `state` is a folder for keys."""
    root.mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True, exist_ok=True)
    host_key, client_key = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    client_key.write_private_key_file(str(state / "client_key"))
    with socket.create_server((HOST, 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        known_hosts = state / "known_hosts"
        known_hosts.write_text(f"[{HOST}]:{port} {host_key.get_name()} {host_key.get_base64()}\n")
        server = TakingServer(port, root, known_hosts, state / "client_key")
        threading.Thread(target=_accept, args=(listener, host_key, server), daemon=True).start()
        yield server


def _accept(listener: socket.socket, host_key: paramiko.PKey, server: TakingServer) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            transport = paramiko.Transport(connection)
            transport.add_server_key(host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, server)
            with suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=_Login())


class _Login(paramiko.ServerInterface):
    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def __init__(self, files: _Files, path: Path, flags: int) -> None:
        super().__init__(flags)
        is_written = bool(flags & os.O_WRONLY)
        content = os.fdopen(os.open(path, flags, 0o644), "wb" if is_written else "rb")
        self.readfile = self.writefile = content
        self._closed = lambda: files.server.take("close" if is_written else "read", path)
        self._path = path

    def stat(self):
        return paramiko.SFTPAttributes.from_stat(self._path.stat())

    def close(self):
        super().close()
        self._closed()


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, login, server: TakingServer) -> None:
        super().__init__(login)
        self.server = server

    def _answer(self, act):
        try:
            return act()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def _local(self, path: str) -> Path:
        return self.server.root / path.lstrip("/")

    def stat(self, path):
        return self._answer(lambda: paramiko.SFTPAttributes.from_stat(self._local(path).stat()))

    def lstat(self, path):
        return self._answer(lambda: paramiko.SFTPAttributes.from_stat(self._local(path).lstat()))

    def open(self, path, flags, attr):
        return self._answer(lambda: _Handle(self, self._local(path), flags))

    def remove(self, path):
        return self._answer(lambda: self._local(path).unlink() or paramiko.SFTP_OK)

    def rename(self, oldpath, newpath):
        if self._local(newpath).exists():
            return paramiko.SFTP_FAILURE
        return self.posix_rename(oldpath, newpath)

    def posix_rename(self, oldpath, newpath):
        def rename():
            self._local(oldpath).replace(self._local(newpath))
            self.server.take("rename", self._local(newpath))
            return paramiko.SFTP_FAILURE if self.server.is_rename_denied else paramiko.SFTP_OK

        return self._answer(rename)
