"""SFTP, as files of money ask for it: host keys checked, whole files only (R13), uploads that are
read back and never overwrite (R24).

Knows nothing of debts or Dagster. A `Client` belongs to one thread.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import stat
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import ENOENT
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

import paramiko
import stamina
from paramiko.config import SSH_PORT
from paramiko.sftp import CMD_CLOSE, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR

from orchestration.contracts import Organization

_READING_KNOWN_HOSTS = threading.Lock()
_NAME_TAKEN = ("name_taken", "a file with other content has this name already")
_CHANGED = ("still_growing", "the file changed while it was read")
_DOWNLOADING = "downloading a file"
_CHUNK = 1 << 18
_CONNECT_ATTEMPTS = 3
# What may go better by itself another time; all else asks for a person.
MAY_HEAL = frozenset({"unreachable", "timed_out", "connection_lost"})

# Paramiko writes tracebacks of its transport thread; what matters reaches the caller as SftpError.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class SftpError(Exception):
    """What went wrong with a server, as a stable code and a sentence without secrets (R20, R30).

    Of an upload, `has_left_nothing` says that its bytes were taken back before it ended.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.has_left_nothing = False


class StillGrowingError(SftpError):
    """A file changed while it was read: it is left for the next look (R13)."""


class NameTakenError(SftpError):
    """The name to publish under already holds other bytes (R24)."""


@dataclass(frozen=True)
class RemoteFile:
    """A regular file in a folder of a server.

    `modified_at` has whole seconds. Of a name that is not UTF-8 the odd bytes are spelled out;
    such a file cannot be asked for.
    """

    name: str
    size: int
    modified_at: datetime
    is_named_in_utf8: bool = True


@dataclass(frozen=True)
class Download:
    """The bytes that were received whole."""

    sha256: str
    byte_count: int


class Client:
    """One connection to one organization's server."""

    def __init__(self, sftp: paramiko.SFTPClient) -> None:
        self._sftp = sftp

    @property
    def is_connected(self) -> bool:
        """Whether the server may still answer."""
        channel = self._sftp.get_channel()
        return not channel.closed and bool(channel.get_transport().is_active())

    def list_files(self, folder: str) -> list[RemoteFile]:
        """The regular files of a folder, by name; links and folders are no files.

        Raises:
            SftpError: `no_folder`, `timed_out`, `connection_lost`, `server_failed`.

        """
        with _translated(f"listing {folder}"):
            files = [
                _as_file(name, attributes)
                for name, attributes in self._read_folder(folder)
                if stat.S_ISREG(attributes.st_mode or 0)
            ]
        return sorted(files, key=lambda file: file.name)

    def download(self, folder: str, file: RemoteFile, target: BinaryIO) -> Download:
        """Read a file that does not change meanwhile (R13).

        Args:
            folder: where it is.
            file: as it was listed.
            target: takes the bytes; worth nothing if this raises.

        Raises:
            StillGrowingError: size or time changed, or the bytes are not as many as the size.
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `gone`, `no_permission`,
                `invalid_name`.
            OSError: `target` cannot take the bytes.

        """
        if not file.is_named_in_utf8:
            raise SftpError("invalid_name", "the name of a file is not UTF-8")
        path = _join(folder, file.name)
        listed = (file.size, int(file.modified_at.timestamp()))
        digest = hashlib.sha256()
        byte_count = 0
        if self._regular_state(path) != listed:
            raise StillGrowingError(*_CHANGED)
        with closing(self._chunks(path, file.size)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
                byte_count += len(chunk)
                if byte_count > file.size:
                    break
        if byte_count != file.size or self._regular_state(path) != listed:
            raise StillGrowingError(*_CHANGED)
        return Download(digest.hexdigest(), byte_count)

    def upload(
        self,
        folder: str,
        name: str,
        content: bytes,
        *,
        may_replace: bool = False,
        begin: Callable[[], None] = lambda: None,
    ) -> Literal["delivered", "already_there", "taken_unread"]:
        """Publish a file under a name that it has whole or not at all (R24).

        The bytes go to a temporary name, are read back and compared, then renamed. A rename does
        not overwrite, so the name never changes its bytes unless it may be replaced.

        Args:
            folder: where it goes.
            name: its name there.
            content: its bytes.
            may_replace: whether the name may get other bytes.
            begin: called once the temporary name is there and has no byte yet. If neither name is
                there afterwards, somebody has taken the file.

        Returns:
            `taken_unread`: the file was gone before it could be read back or have its name.

        Raises:
            NameTakenError: the name holds other bytes.
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `no_folder`,
                `no_permission`, `invalid_name`, `upload_damaged` (what is read back is not what
                was sent, as on a full disk).

        """
        path = _join(folder, name)
        sha256 = hashlib.sha256(content).hexdigest()
        part = _join(folder, _name_part(name, sha256))
        try:
            with _translated(f"uploading to {folder}"):
                if self._is_there(path):
                    with suppress(FileNotFoundError):
                        if self._holds(path, len(content), sha256):
                            return "already_there"
                    if not may_replace:
                        raise NameTakenError(*_NAME_TAKEN)
                target = self._sftp.open(part, "wb")
                try:
                    with target:
                        begin()
                        target.set_pipelined(True)
                        for start in range(0, len(content), _CHUNK):
                            target.write(content[start : start + _CHUNK])
                    return self._publish(part, path, len(content), sha256, may_replace=may_replace)
                except FileNotFoundError:
                    self._sftp.stat(folder)
                    return "taken_unread"
        except SftpError as error:
            error.has_left_nothing = self._takes_back(part, error)
            raise

    def find_upload(
        self, folder: str, name: str, content: bytes
    ) -> Literal["whole", "begun"] | None:
        """What there is of a file whose upload had begun: its name has it, or the temporary one is
        there; None if it is gone.

        Raises:
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `no_folder`,
                `no_permission`, `invalid_name`.

        """
        path = _join(folder, name)
        sha256 = hashlib.sha256(content).hexdigest()
        with _translated(f"looking into {folder}"):
            with suppress(FileNotFoundError):
                if self._holds(path, len(content), sha256):
                    return "whole"
            if self._is_there(_join(folder, _name_part(name, sha256))):
                return "begun"
            self._sftp.stat(folder)
        return None

    def _publish(
        self, part: str, path: str, size: int, sha256: str, *, may_replace: bool
    ) -> Literal["delivered", "already_there"]:
        if self._hash_remote(part, size) != sha256:
            raise SftpError("upload_damaged", "the server did not keep what was sent")
        rename = self._replace if may_replace else self._sftp.rename
        try:
            rename(part, path)
        except OSError:
            with suppress(FileNotFoundError):
                if self._holds(path, size, sha256):
                    return "already_there"
            self._sftp.stat(part)
            if not may_replace and self._is_there(path):
                raise NameTakenError(*_NAME_TAKEN) from None
            raise
        return "delivered"

    def _replace(self, part: str, path: str) -> None:
        try:
            self._sftp.posix_rename(part, path)
        except OSError:
            # An extension of OpenSSH, which not every server knows.
            self._sftp.stat(part)
            with suppress(FileNotFoundError):
                self._sftp.remove(path)
            self._sftp.rename(part, path)

    def _takes_back(self, part: str, error: SftpError) -> bool:
        """Remove the temporary name of an upload that failed; whether it was still there."""
        if error.code == "timed_out" or not self.is_connected:
            return False
        try:
            self._sftp.remove(part)
        except (OSError, EOFError, paramiko.SSHException):
            return False
        return True

    def _holds(self, path: str, size: int, sha256: str) -> bool:
        return self._sftp.stat(path).st_size == size and self._hash_remote(path, size) == sha256

    def _is_there(self, path: str) -> bool:
        try:
            self._sftp.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def _hash_remote(self, path: str, size: int) -> str:
        digest = hashlib.sha256()
        with self._sftp.open(path, "rb") as source:
            if size:
                source.prefetch(size)
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _regular_state(self, path: str) -> tuple[int, int] | None:
        """Size and time of a regular file, None for anything else."""
        with _translated(_DOWNLOADING, missing="gone"):
            attributes = self._sftp.lstat(path)
        return _state(attributes) if stat.S_ISREG(attributes.st_mode or 0) else None

    def _chunks(self, path: str, size: int) -> Generator[bytes]:
        with (
            _translated(_DOWNLOADING, missing="gone"),
            self._sftp.open(path, "rb") as source,
        ):
            if size:
                source.prefetch(size)
            while chunk := source.read(_CHUNK):
                yield chunk

    def _read_folder(self, folder: str) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        # SFTPClient.listdir_attr raises on the first name that is not UTF-8.
        kind, message = self._sftp._request(CMD_OPENDIR, folder)
        if kind != CMD_HANDLE:
            raise paramiko.SFTPError("expected a handle")
        handle = message.get_binary()
        try:
            while True:
                try:
                    kind, message = self._sftp._request(CMD_READDIR, handle)
                except EOFError:
                    return
                if kind != CMD_NAME:
                    raise paramiko.SFTPError("expected names")
                for _ in range(message.get_int()):
                    name, long_name = message.get_binary(), message.get_binary()
                    attributes = paramiko.SFTPAttributes._from_msg(
                        message, "", long_name.decode("utf-8", "replace")
                    )
                    yield name, attributes
        finally:
            self._sftp._request(CMD_CLOSE, handle)


@contextmanager
def connect(
    organization: Organization, environment: Mapping[str, str], *, timeout_seconds: float = 30
) -> Iterator[Client]:
    """Connect to an organization's server with the secret that the environment holds for it.

    The server must show a key of the file SFTP_KNOWN_HOSTS_FILE. A refused or lost connection is
    tried again; a refused login or an unknown key never is.

    Args:
        organization: host, port, user name.
        environment: SFTP_PASSWORD_<ID> or SFTP_PRIVATE_KEY_FILE_<ID>, SFTP_KNOWN_HOSTS_FILE.
        timeout_seconds: how long any one answer may take.

    Raises:
        SftpError: `no_credentials`, `no_known_hosts`, `host_key_unknown`, `host_key_changed`,
            `login_refused`, `unreachable`, `timed_out`, `connection_lost`.

    """
    secret = _read_secret(organization, environment)
    ssh = paramiko.SSHClient()
    try:
        _trust_known_keys(ssh, organization, environment)
        for attempt in stamina.retry_context(
            on=_may_heal, attempts=_CONNECT_ATTEMPTS, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                _open(ssh, organization, secret, timeout_seconds)
        with _translated("opening SFTP"):
            sftp = _open_sftp(ssh, timeout_seconds)
        yield Client(sftp)
    finally:
        ssh.close()


@dataclass(frozen=True)
class _Secret:
    password: str | None
    key: paramiko.PKey | None


def _read_secret(organization: Organization, environment: Mapping[str, str]) -> _Secret:
    suffix = organization.organization_id.upper()
    key_file = environment.get(f"SFTP_PRIVATE_KEY_FILE_{suffix}")
    password = environment.get(f"SFTP_PASSWORD_{suffix}")
    if not key_file and not password:
        raise SftpError(
            "no_credentials",
            f"set SFTP_PASSWORD_{suffix} or SFTP_PRIVATE_KEY_FILE_{suffix}",
        )
    if key_file and not Path(key_file).is_file():
        raise SftpError("no_credentials", f"SFTP_PRIVATE_KEY_FILE_{suffix} names no file")
    if not key_file:
        return _Secret(password, None)
    try:
        # Given a path, SSHClient takes a refused key for one that it cannot read.
        return _Secret(None, paramiko.PKey.from_path(key_file))
    except Exception:
        raise SftpError(
            "no_credentials", f"SFTP_PRIVATE_KEY_FILE_{suffix} is no private key or is encrypted"
        ) from None


def _trust_known_keys(
    ssh: paramiko.SSHClient, organization: Organization, environment: Mapping[str, str]
) -> None:
    path = environment.get("SFTP_KNOWN_HOSTS_FILE")
    if not path or not Path(path).is_file():
        raise SftpError("no_known_hosts", "SFTP_KNOWN_HOSTS_FILE names no file of trusted keys")
    host, port = organization.sftp_host, organization.sftp_port
    name = host if port == SSH_PORT else f"[{host}]:{port}"
    with _READING_KNOWN_HOSTS:
        known = _read_known_hosts(path, Path(path).read_bytes())
    for key_type, key in (known.lookup(name) or {}).items():
        ssh.get_host_keys().add(name, key_type, key)
    ssh.set_missing_host_key_policy(_RejectUnknownKey())


@lru_cache(maxsize=1)
def _read_known_hosts(path: str, content: bytes) -> paramiko.HostKeys:  # noqa: ARG001 (part of the key)
    """The trusted keys of all servers: to parse a thousand takes longer than to connect."""
    return paramiko.HostKeys(path)


class _RejectUnknownKey(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002 (paramiko gives three)
        hostname: str,  # noqa: ARG002
        key: paramiko.PKey,
    ) -> None:
        raise SftpError(
            "host_key_unknown", f"the server shows a {key.get_name()} key that nobody vouched for"
        )


def _open(
    ssh: paramiko.SSHClient, organization: Organization, secret: _Secret, timeout_seconds: float
) -> None:
    try:
        address = (organization.sftp_host, organization.sftp_port)
        connection = socket.create_connection(address, timeout_seconds)
        # Paramiko's small packets would each wait for the answer to the former one.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ssh.connect(
            organization.sftp_host,
            port=organization.sftp_port,
            sock=connection,
            username=organization.sftp_username,
            password=secret.password,
            pkey=secret.key,
            timeout=timeout_seconds,
            banner_timeout=timeout_seconds,
            auth_timeout=timeout_seconds,
            channel_timeout=timeout_seconds,
            allow_agent=False,
            look_for_keys=False,
        )
    except paramiko.BadHostKeyException:
        raise SftpError(
            "host_key_changed", "the server shows another key than the one vouched for"
        ) from None
    except paramiko.AuthenticationException as error:
        if str(error).startswith("Authentication timeout"):
            raise SftpError("timed_out", "the server did not answer the login in time") from None
        raise SftpError("login_refused", "the server refused the login") from None
    except TimeoutError:
        raise SftpError("timed_out", "the server did not answer in time") from None
    except (OSError, EOFError):
        raise SftpError("unreachable", "nothing answers at the server's address") from None
    except paramiko.SSHException as error:
        transport = ssh.get_transport()
        is_still_greeting = transport is not None and transport.is_active()
        if is_still_greeting or isinstance(error.__context__, TimeoutError):
            raise SftpError("timed_out", "the server did not answer in time") from None
        raise SftpError("connection_lost", "the server broke off the greeting") from None


def _open_sftp(ssh: paramiko.SSHClient, timeout_seconds: float) -> paramiko.SFTPClient:
    """What SSHClient.open_sftp does, but never waiting for ever on a server that froze."""
    transport = ssh.get_transport()
    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        transport.close()

    alarm = threading.Timer(timeout_seconds, give_up)
    alarm.daemon = True
    alarm.start()
    try:
        channel = transport.open_session(timeout=timeout_seconds)
        channel.settimeout(timeout_seconds)
        channel.invoke_subsystem("sftp")
        return paramiko.SFTPClient(channel)
    except (paramiko.SSHException, EOFError):
        if expired.is_set():
            raise TimeoutError from None
        raise
    finally:
        alarm.cancel()


def _may_heal(error: Exception) -> bool:
    return isinstance(error, SftpError) and error.code in MAY_HEAL


@contextmanager
def _translated(act: str, *, missing: str = "no_folder") -> Iterator[None]:
    """Errors of paramiko and the system as SftpError, without file names or addresses."""
    try:
        yield
    except FileNotFoundError:
        raise SftpError(missing, f"{act}: no such file or folder") from None
    except PermissionError:
        raise SftpError("no_permission", f"{act}: the server does not allow it") from None
    except TimeoutError:
        raise SftpError("timed_out", f"{act}: the server did not answer in time") from None
    except (paramiko.SSHException, EOFError, ConnectionError):
        raise SftpError("connection_lost", f"{act}: the connection broke") from None
    except OSError as error:
        if error.errno == ENOENT:
            raise SftpError(missing, f"{act}: no such file or folder") from None
        if str(error) == "Socket is closed":  # paramiko's words
            raise SftpError("connection_lost", f"{act}: the connection broke") from None
        raise SftpError("server_failed", f"{act}: the server failed") from None


def _as_instant(seconds: float | None) -> datetime:
    return datetime.fromtimestamp(int(seconds or 0), UTC)


def _as_file(name: bytes, attributes: paramiko.SFTPAttributes) -> RemoteFile:
    shown = name.decode("utf-8", "backslashreplace")
    return RemoteFile(
        shown,
        attributes.st_size or 0,
        _as_instant(attributes.st_mtime),
        is_named_in_utf8=shown.encode() == name,
    )


def _state(attributes: paramiko.SFTPAttributes) -> tuple[int, int]:
    return attributes.st_size or 0, int(attributes.st_mtime or 0)


def _name_part(name: str, sha256: str) -> str:
    return f".{name}.{sha256[:12]}.part"


def _join(folder: str, name: str) -> str:
    if "/" in name or name in {"", ".", ".."}:
        raise SftpError("invalid_name", "a file name holds no / and is no folder")
    return f"{folder.rstrip('/')}/{name}"
