"""An SFTP server whose answers can be bent as those of servers other than OpenSSH are.

It stands on paramiko's server side and serves the folder that a test names: real sockets, real
files. What is bent is what servers in use do: leave out the type, the permissions, the time or the
size of a file, give another size than that of the bytes, remove a file that has been read or
written, break off when many reads are outstanding, answer slowly or without end, and ask for key
and password.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.sftp import (
    CMD_DATA,
    CMD_EXTENDED,
    CMD_EXTENDED_REPLY,
    CMD_NAME,
    CMD_READ,
    CMD_READDIR,
    CMD_STATUS,
    CMD_VERSION,
    SFTP_OP_UNSUPPORTED,
    int64,
)

from orchestration.devtools.loopback_sftp import HOST

USERNAME = "saldo"
PASSWORD = "clave-inventada"
_BYTES_OF_A_READ_REQUEST = 40
_MANY_NAMES = 500


@dataclass
class Bends:
    """How the server differs from one that follows the protocol; without a value it does not.

    Args:
        has_type: whether the permissions of a file say that it is one.
        has_permissions: whether it gives permissions at all.
        has_time: whether it gives times.
        has_size: whether it gives sizes.
        extra_size: how many bytes more than a file holds its size says.
        is_read_once: whether a file is removed when a reader closes it.
        takes_at_close: whether somebody takes a file as soon as its writer closes it.
        knows_lstat: whether it answers LSTAT.
        knows_stat: whether it answers STAT and LSTAT.
        lists_hidden: whether its listings have the names that begin with a dot.
        has_odd_paths: whether the paths that it resolves are not UTF-8.
        fails_for_missing: whether it says of a name that is missing that something failed.
        most_waiting_reads: with more reads than these outstanding it breaks off.
        longest_read: how many bytes it gives for one request at most.
        announced_read: how many it says that it gives; with 0 it offers to say it and refuses.
        untrue_length: how many bytes more an answer to a read says to have than it has.
        extra_bytes: how many bytes more than asked for an answer to a read has.
        seconds_a_byte: how long it waits before each byte of an answer to a read.
        seconds_a_write: how long it takes for what one request writes.
        seconds_a_name: how long it waits before each name of a listing.
        is_endless: whether a listing never ends.
        announced_names: how many names a listing announces and does not have.
        logins: the methods that a login needs, one after the other.

    """

    has_type: bool = True
    has_permissions: bool = True
    has_time: bool = True
    has_size: bool = True
    extra_size: int = 0
    is_read_once: bool = False
    takes_at_close: bool = False
    knows_lstat: bool = True
    knows_stat: bool = True
    lists_hidden: bool = True
    has_odd_paths: bool = False
    fails_for_missing: bool = False
    most_waiting_reads: int | None = None
    longest_read: int | None = None
    announced_read: int | None = None
    untrue_length: int = 0
    extra_bytes: int = 0
    seconds_a_byte: float = 0
    seconds_a_write: float = 0
    seconds_a_name: float = 0
    is_endless: bool = False
    announced_names: int = 0
    logins: tuple[str, ...] = ("publickey",)


@dataclass
class BentServer:
    """A server at work: where it listens, what it serves, and what it has been asked.

    Args:
        port: on 127.0.0.1.
        root: the folder that a login starts in.
        bends: may be changed while it serves.
        known_hosts_file: its key, for SFTP_KNOWN_HOSTS_FILE.
        private_key_file: any key is let in; this is one.
        most_waiting: how many reads were outstanding at once.
        longest_asked: the most bytes that one request asked for.
        logins: the methods by which logins were made.
        connections: how many were made.
        taken: the names of the files that somebody took.

    """

    port: int
    root: Path
    bends: Bends
    known_hosts_file: Path
    private_key_file: Path
    most_waiting: int = 0
    longest_asked: int = 0
    logins: list[tuple[str, ...]] = field(default_factory=list)
    connections: int = 0
    taken: list[str] = field(default_factory=list)

    def environment(self, *organization_ids: str) -> dict[str, str]:
        """The variables with which these organizations' servers are reached here."""
        keys = {
            f"SFTP_PRIVATE_KEY_FILE_{organization_id.upper()}": str(self.private_key_file)
            for organization_id in organization_ids
        }
        return {**keys, "SFTP_KNOWN_HOSTS_FILE": str(self.known_hosts_file)}


@contextmanager
def serve_bent(
    root: Path,
    state: Path,
    bends: Bends | None = None,
    transport: type[paramiko.Transport] = paramiko.Transport,
) -> Iterator[BentServer]:
    """Serve a folder until the block ends.

    Args:
        root: the folder; made if missing.
        state: a folder for keys.
        bends: how the answers are bent.
        transport: a class of transports, as one with other algorithms.

    """
    root.mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True, exist_ok=True)
    host_key, client_key = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    client_key.write_private_key_file(str(state / "client_key"))
    with socket.create_server((HOST, 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        known_hosts = state / "known_hosts"
        known_hosts.write_text(f"[{HOST}]:{port} {host_key.get_name()} {host_key.get_base64()}\n")
        server = BentServer(port, root, bends or Bends(), known_hosts, state / "client_key")
        threading.Thread(
            target=_accept, args=(listener, host_key, server, transport), daemon=True
        ).start()
        yield server


def _accept(
    listener: socket.socket,
    host_key: paramiko.PKey,
    server: BentServer,
    kind: type[paramiko.Transport],
) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            server.connections += 1
            threading.Thread(
                target=_talk, args=(connection, host_key, server, kind), daemon=True
            ).start()


def _talk(
    connection: socket.socket,
    host_key: paramiko.PKey,
    server: BentServer,
    kind: type[paramiko.Transport],
) -> None:
    transport = kind(connection)
    transport.add_server_key(host_key)
    transport.set_subsystem_handler("sftp", _Sftp, _Files, server)
    with suppress(paramiko.SSHException, EOFError, OSError):
        transport.start_server(server=_Login(server))


class _Login(paramiko.ServerInterface):
    def __init__(self, server: BentServer) -> None:
        self._server = server
        self._given: list[str] = []

    def get_allowed_auths(self, username):
        return ",".join(self._server.bends.logins[len(self._given) :][:1])

    def check_auth_publickey(self, username, key):
        return self._take("publickey", is_right=True)

    def check_auth_password(self, username, password):
        return self._take("password", is_right=password == PASSWORD)

    def check_auth_interactive(self, username, submethods):
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses):
        return self._take("keyboard-interactive", is_right=responses == [PASSWORD])

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def _take(self, method, *, is_right):
        wanted = self._server.bends.logins
        if not is_right or wanted[len(self._given)] != method:
            return paramiko.AUTH_FAILED
        self._given.append(method)
        if len(self._given) < len(wanted):
            return paramiko.AUTH_PARTIALLY_SUCCESSFUL
        self._server.logins.append(tuple(self._given))
        return paramiko.AUTH_SUCCESSFUL


class _Sftp(paramiko.SFTPServer):
    """The protocol, with listings and reads that are bent."""

    def __init__(self, channel, name, server, interface, bent):
        super().__init__(channel, name, server, interface, bent)
        self._bent = bent
        self._listed = 0

    def _send_server_version(self):
        if self._bent.bends.announced_read is None:
            return super()._send_server_version()
        self._read_packet()
        self._send(CMD_VERSION, 3, "limits@openssh.com", "1", "half of a nam")
        return 3

    def _process(self, kind, request_number, message):
        bends = self._bent.bends
        if kind == CMD_READDIR and bends.announced_names:
            self._send(CMD_NAME, request_number, bends.announced_names)
        elif kind == CMD_READDIR and (bends.is_endless or bends.seconds_a_name):
            time.sleep(bends.seconds_a_name)
            count = 1 if bends.seconds_a_name else _MANY_NAMES
            names = [f"{self._listed + number:x}.txt" for number in range(count)]
            self._listed += count
            attributes = [paramiko.SFTPAttributes() for _ in names]
            values = [
                value
                for name, each in zip(names, attributes, strict=True)
                for value in (name, name, each)
            ]
            self._send(CMD_NAME, request_number, count, *values)
        elif kind == CMD_EXTENDED and bends.announced_read is not None:
            if bends.announced_read:
                limits = (int64(1 << 18), int64(bends.announced_read), int64(1 << 18), int64(0))
                self._send(CMD_EXTENDED_REPLY, request_number, *limits)
            else:
                self._send(CMD_STATUS, request_number, SFTP_OP_UNSUPPORTED, "", "")
        elif kind == CMD_READ and self._is_too_much():
            self.sock.get_transport().close()
        elif kind == CMD_READ:
            handle, offset, length = message.get_binary(), message.get_int64(), message.get_int()
            self._bent.longest_asked = max(self._bent.longest_asked, length)
            shorter = paramiko.Message()
            shorter.add_string(handle)
            shorter.add_int64(offset)
            shorter.add_int(min(length, bends.longest_read or length) + bends.extra_bytes)
            shorter.rewind()
            super()._process(kind, request_number, shorter)
        else:
            super()._process(kind, request_number, message)

    def _is_too_much(self) -> bool:
        waiting = len(self.sock.in_buffer) // _BYTES_OF_A_READ_REQUEST + 1
        self._bent.most_waiting = max(self._bent.most_waiting, waiting)
        most = self._bent.bends.most_waiting_reads
        if most is not None:
            time.sleep(0.002)
        return most is not None and waiting > most

    def _send(self, kind, request_number, *values):
        message = paramiko.Message()
        message.add_int(request_number)
        for value in values:
            if isinstance(value, paramiko.SFTPAttributes):
                value._pack(message)
            elif isinstance(value, int64):
                message.add_int64(value)
            elif isinstance(value, int):
                message.add_int(value)
            else:
                message.add_string(value)
        self._send_packet(kind, message)

    def _send_packet(self, kind, packet):
        seconds = self._bent.bends.seconds_a_byte
        if kind == CMD_DATA and self._bent.bends.untrue_length:
            number, data = packet.asbytes()[:4], packet.asbytes()[8:]
            packet = paramiko.Message(
                number + struct.pack(">I", len(data) + self._bent.bends.untrue_length) + data
            )
        if kind != CMD_DATA or not seconds:
            super()._send_packet(kind, packet)
            return
        content = packet.asbytes()
        whole = struct.pack(">I", len(content) + 1) + bytes([kind]) + content
        for byte in whole:
            time.sleep(seconds)
            self.sock.sendall(bytes([byte]))


class _Handle(paramiko.SFTPHandle):
    def __init__(self, flags: int, files: _Files, path: str, content) -> None:
        super().__init__(flags)
        self._files, self._path = files, path
        self._is_written = bool(flags & os.O_WRONLY)
        self.filename, self.readfile, self.writefile = path, content, content

    def stat(self):
        return self._files.stat(self._path)

    def write(self, offset, data):
        time.sleep(self._files.bends.seconds_a_write)
        return super().write(offset, data)

    def close(self):
        super().close()
        if self._files.bends.is_read_once and not self._path.startswith(self._files.kept):
            with suppress(FileNotFoundError):
                Path(self._path).unlink()
        if self._files.bends.takes_at_close and self._is_written:
            Path(self._path).unlink()
            self._files.taken.append(Path(self._path).name)


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server, bent: BentServer) -> None:
        super().__init__(server)
        self.bends = bent.bends
        self.taken = bent.taken
        self._root = bent.root
        # What is written into an outbox is not taken away by reading it back.
        self.kept = tuple(str(path) for path in bent.root.glob("**/outbox"))

    def _refuse(self, error: OSError) -> int:
        if self.bends.fails_for_missing and error.errno == errno.ENOENT:
            return paramiko.SFTP_FAILURE
        return paramiko.SFTPServer.convert_errno(error.errno)

    def canonicalize(self, path):
        if self.bends.has_odd_paths:
            return b"/ra\xedz"
        return str(self._root / path)

    def _local(self, path: str) -> str:
        return str(self._root / path)

    def _attributes(self, path: str, *, is_followed: bool = False):
        try:
            state = Path(path).stat(follow_symlinks=is_followed)
        except OSError as error:
            return self._refuse(error)
        attributes = paramiko.SFTPAttributes.from_stat(state)
        if not stat.S_ISREG(state.st_mode):
            return attributes
        if not self.bends.has_type:
            attributes.st_mode = stat.S_IMODE(state.st_mode)
        if not self.bends.has_permissions:
            attributes._flags &= ~attributes.FLAG_PERMISSIONS
            attributes.st_mode = None
        if not self.bends.has_time:
            attributes._flags &= ~attributes.FLAG_AMTIME
            attributes.st_mtime = attributes.st_atime = None
        if self.bends.has_size:
            attributes.st_size += self.bends.extra_size
        else:
            attributes._flags &= ~attributes.FLAG_SIZE
            attributes.st_size = None
        return attributes

    def list_folder(self, path):
        folder = self._local(path)
        try:
            names = sorted(path.name for path in Path(folder).iterdir())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        listed = []
        for name in names:
            if name.startswith(".") and not self.bends.lists_hidden:
                continue
            attributes = self._attributes(f"{folder}/{name}")
            attributes.filename = name
            listed.append(attributes)
        return listed

    def stat(self, path):
        if not self.bends.knows_stat:
            return paramiko.SFTP_FAILURE
        return self._attributes(self._local(path), is_followed=True)

    def lstat(self, path):
        if not self.bends.knows_stat:
            return paramiko.SFTP_FAILURE
        if not self.bends.knows_lstat:
            return paramiko.SFTP_OP_UNSUPPORTED
        return self._attributes(self._local(path))

    def open(self, path, flags, attr):
        local = self._local(path)
        try:
            descriptor = os.open(local, flags & ~os.O_APPEND, 0o644)
        except OSError as error:
            return self._refuse(error)
        mode = "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb"
        return _Handle(flags, self, local, os.fdopen(descriptor, mode))

    def remove(self, path):
        try:
            Path(self._local(path)).unlink()
        except OSError as error:
            return self._refuse(error)
        return paramiko.SFTP_OK

    def rename(self, oldpath, newpath):
        if Path(self._local(newpath)).exists():
            return paramiko.SFTP_FAILURE
        try:
            Path(self._local(oldpath)).rename(self._local(newpath))
        except OSError as error:
            return self._refuse(error)
        return paramiko.SFTP_OK

    def posix_rename(self, oldpath, newpath):
        try:
            Path(self._local(oldpath)).replace(self._local(newpath))
        except OSError as error:
            return self._refuse(error)
        return paramiko.SFTP_OK
