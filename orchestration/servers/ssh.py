"""SSH: connect to an organization's server, check its key, and log in.

This module does not depend on files. Every failure is an `SftpError` with a stable code and a
message that says what to do (R20), without secrets or addresses (R30).
"""

from __future__ import annotations

import logging
import re
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import paramiko
import stamina
from paramiko.buffered_pipe import BufferedPipe
from paramiko.ssh_exception import BadAuthenticationType
from stamina.instrumentation import set_on_retry_hooks

from orchestration.contracts.organizations import Organization
from orchestration.installation.messages import list_some
from orchestration.servers.deadlines import Deadline
from orchestration.servers.errors import SftpError
from orchestration.servers.keys import Secret, TrustedKeys, read_secret, read_trusted_keys
from orchestration.servers.remote_reading import BadAnswerError, ListingTooLongError, SftpClient

CONNECT_ATTEMPTS = 3
# Errors that a retry may resolve. All others need a person.
MAY_HEAL = frozenset({"unreachable", "timed_out", "connection_lost"})
# How many seconds an attempt waits to be the only one that retries a server.
_TURN_SECONDS = 10
_TRYING_AGAIN: Mapping[tuple[str, int], threading.Lock] = defaultdict(threading.Lock)
_RSA = "ssh-rsa"
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
_LONGEST_LIST = 12
# SSH's name for each kind of algorithm, by paramiko's name for the server's list.
_ALGORITHMS = {
    "kex_algo_list": "key exchange",
    "server_key_algo_list": "host key",
    "client_encrypt_algo_list": "cipher",
    "client_mac_algo_list": "message authentication",
}


# Paramiko logs tracebacks of its transport thread, and stamina logs a line per attempt. The
# relevant errors reach the caller as SftpError.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


set_on_retry_hooks(())


@contextmanager
def connect(
    organization: Organization,
    environment: Mapping[str, str],
    deadline: Deadline,
    *,
    timeout_seconds: float,
    attempts: int = CONNECT_ATTEMPTS,
) -> Iterator[paramiko.Transport]:
    """Connect to an organization's server with its secrets from the environment.

    The server must present one of the keys that SFTP_KNOWN_HOSTS_FILE lists for it. A refused or
    lost connection is retried. A refused login or an unknown key is never retried.

    Args:
        organization: host, port, user name.
        environment: SFTP_PASSWORD_<ID>, SFTP_PRIVATE_KEY_FILE_<ID> or both, for a server that asks
            for both; SFTP_KNOWN_HOSTS_FILE.
        deadline: closes the connection when it passes.
        timeout_seconds: how long to wait for a single answer.
        attempts: the maximum number of attempts.

    Raises:
        SftpError: `no_credentials`, `no_known_hosts`, `host_key_unknown`, `host_key_changed`,
            `login_refused`, `no_common_algorithm`, `unreachable`, `timed_out`, `connection_lost`.

    """
    secret = read_secret(organization, environment)
    trusted = read_trusted_keys(organization, environment)
    address = (organization.sftp_host, organization.sftp_port)
    transport: paramiko.Transport | None = None
    failure: SftpError | None = None

    def may_heal(error: Exception) -> bool:
        is_over = deadline.is_over
        return isinstance(error, SftpError) and error.code in MAY_HEAL and not is_over

    for attempt in stamina.retry_context(
        on=may_heal, attempts=attempts, wait_initial=0.2, wait_max=2.0
    ):
        with attempt, _turn(address, failure):
            try:
                transport = _open(organization, secret, trusted, deadline, timeout_seconds)
            except SftpError as error:
                failure = error
                raise
    assert transport is not None  # noqa: S101 (the last attempt raised otherwise)
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def _turn(address: tuple[str, int], failure: SftpError | None) -> Iterator[None]:
    """Serialize retries on a server that dropped a connection: it may accept few logins at once."""
    if failure is None or failure.code != "connection_lost":
        yield
        return
    turn = _TRYING_AGAIN[address]
    is_mine = turn.acquire(timeout=_TURN_SECONDS)
    try:
        yield
    finally:
        if is_mine:
            turn.release()


class _Transport(paramiko.Transport):  # type: ignore[misc]
    """A transport that remembers the algorithms that the server offered."""

    offered: Mapping[str, Sequence[str]] | None = None

    def _parse_kex_init(self, message: paramiko.Message) -> None:
        start = message.packet.tell()
        self.offered = self._really_parse_kex_init(message)
        message.packet.seek(start)
        super()._parse_kex_init(message)

    def find_disagreement(self) -> str | None:
        """Describe the kind of algorithm that both sides have none of in common, or return None."""
        ours = {
            "kex_algo_list": self.preferred_kex,
            "server_key_algo_list": self.preferred_keys,
            "client_encrypt_algo_list": self.preferred_ciphers,
            "client_mac_algo_list": self.preferred_macs,
        }
        for name, kind in _ALGORITHMS.items():
            theirs = (self.offered or {}).get(name)
            if theirs is not None and not set(theirs) & set(ours[name]):
                return (
                    f"no {kind} algorithm in common: the server offers {_shown(theirs)}; Saldo"
                    f" takes {_shown(ours[name])}: ask for one of these on the server"
                )
        return None


def _shown(algorithms: Sequence[str]) -> str:
    """Join names of algorithms for a message; the server's names may be anything, so check them."""
    names = [
        name
        for name in algorithms
        # Two extension markers are among the key exchange algorithms.
        if re.fullmatch(r"(?!kex-strict-|ext-info-)[A-Za-z0-9@._+-]{1,64}", name)
    ]
    return list_some(names, _LONGEST_LIST) or "none"


def _open(
    organization: Organization,
    secret: Secret,
    trusted: TrustedKeys,
    deadline: Deadline,
    timeout_seconds: float,
) -> paramiko.Transport:
    transport: _Transport | None = None
    try:
        address = (organization.sftp_host, organization.sftp_port)
        connection = socket.create_connection(address, timeout_seconds)
        # Otherwise each of paramiko's small packets would wait for the answer to the previous one.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = _Transport(connection)
        deadline.watch(transport.close)
        transport.banner_timeout = timeout_seconds
        transport.auth_timeout = timeout_seconds
        transport.channel_timeout = timeout_seconds
        _prefer(transport, trusted.keys)
        transport.start_client(timeout=timeout_seconds)
        # Paramiko returns from the key exchange without an error when its time is over.
        if not transport.initial_kex_done:
            raise TimeoutError
        trusted.require(transport.get_remote_server_key())
        _log_in(transport, organization.sftp_username, secret)
    except BaseException as error:
        if transport is not None:
            transport.close()
        told = _translate(error, transport)
        if told is None:
            raise
        raise told from None
    return transport


def _prefer(transport: paramiko.Transport, trusted: Sequence[paramiko.PKey]) -> None:
    """Prefer the key types that can be checked, and the fastest ciphers."""
    options = transport.get_security_options()
    # They need no separate authentication code, whose hashes cost as much as the cipher.
    fast = [name for name in options.ciphers if "gcm" in name]
    options.ciphers = [*fast, *(name for name in options.ciphers if name not in fast)]
    known = [
        name
        for key in trusted
        for name in (_RSA_SIGNATURES if key.get_name() == _RSA else (key.get_name(),))
    ]
    offered = options.key_types
    first = [name for name in dict.fromkeys(known) if name in offered]
    options.key_types = [*first, *(name for name in offered if name not in first)]


def _log_in(transport: paramiko.Transport, username: str, secret: Secret) -> None:
    """Send the key and the password in the order in which the server asks for them."""
    left: dict[str, Callable[[], Sequence[str]]] = {}
    if secret.key is not None:
        left[secret.key_variable] = lambda: _names(transport.auth_publickey(username, secret.key))
    if secret.password is not None:
        left[secret.password_variable] = lambda: _names(
            transport.auth_password(username, secret.password)
        )
    given = list(left)
    wanted: Sequence[str] = ()
    while left and not transport.is_authenticated():
        for name, give in left.items():
            try:
                wanted = give()
            except BadAuthenticationType as error:
                wanted = _names(error.allowed_types)
                continue
            except paramiko.AuthenticationException as error:
                if _is_of_time_or_algorithms(error):
                    raise
                if not transport.is_active():
                    left.clear()
                    break
            del left[name]
            break
        else:
            break
    if not transport.is_authenticated():
        raise SftpError("login_refused", _explain_refusal(given, wanted, secret))


def _names(methods: Sequence[str] | None) -> Sequence[str]:
    return [] if methods is None else list(methods)


def _explain_refusal(given: Sequence[str], wanted: Sequence[str], secret: Secret) -> str:
    said = f"the server refused the login with {' and '.join(given)}"
    if "publickey" in wanted and secret.key is None:
        return f"{said}: it asks for a key too, set {secret.key_variable}"
    if {"password", "keyboard-interactive"} & set(wanted) and secret.password is None:
        return f"{said}: it asks for a password, set {secret.password_variable}"
    return f"{said}: check the user name and the secret with the organization"


def _is_of_time_or_algorithms(error: Exception) -> bool:
    text = str(error)
    return text.startswith(("Authentication timeout", "Unable to agree"))


def _translate(error: BaseException, transport: _Transport | None) -> SftpError | None:
    """Translate an error while connecting; None if the server is not its cause."""
    if isinstance(error, SftpError):
        return error
    disagreement = transport and transport.find_disagreement()
    if disagreement:
        return SftpError("no_common_algorithm", disagreement)
    if isinstance(error, paramiko.AuthenticationException):
        if str(error).startswith("Unable to agree"):
            return SftpError(
                "no_common_algorithm",
                "the server takes no signature of the key that Saldo can make: have it accept"
                f" {' or '.join(_RSA_SIGNATURES)}, or use an ed25519 key",
            )
        if str(error).startswith("Authentication timeout"):
            return SftpError("timed_out", "the server did not answer the login in time")
        return SftpError("connection_lost", "the server broke off the login")
    if isinstance(error, TimeoutError):
        return SftpError("timed_out", "the server did not answer in time")
    if isinstance(error, OSError | EOFError):
        if transport is not None:
            return SftpError("connection_lost", "the server broke off the greeting")
        return SftpError("unreachable", "nothing answers at the server's address")
    if isinstance(error, UnicodeDecodeError):
        return SftpError("connection_lost", "the server broke off the greeting")
    if isinstance(error, paramiko.SSHException):
        if isinstance(error.__context__, TimeoutError):
            return SftpError("timed_out", "the server did not answer in time")
        return SftpError("connection_lost", "the server broke off the greeting")
    return None


class _Pipe(BufferedPipe):  # type: ignore[misc]
    """Received bytes that wait to be read.

    Paramiko's own moves all bytes that are left with each read; a bytearray only notes where they
    start. A download takes two thirds of the CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()

    def _buffer_frombytes(self, data: bytes) -> None:
        self._buffer += data

    def _buffer_tobytes(self, limit: int | None = None) -> bytes:
        with memoryview(self._buffer) as view:
            return bytes(view[:limit])


def open_sftp(transport: paramiko.Transport, timeout_seconds: float) -> SftpClient:
    """Open SFTP as SSHClient.open_sftp does, but never wait forever for a frozen server.

    Raises:
        TimeoutError: the server did not answer.
        paramiko.SSHException: the server has no SFTP, or broke off.

    """
    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        transport.close()

    alarm = threading.Timer(timeout_seconds, give_up)
    alarm.daemon = True
    alarm.start()
    try:
        channel: Any = transport.open_session(timeout=timeout_seconds)
        channel.settimeout(timeout_seconds)
        channel.in_buffer = _Pipe()  # nothing arrives before a subsystem is asked for
        channel.invoke_subsystem("sftp")
        return SftpClient(channel)
    except (paramiko.SSHException, EOFError):
        if expired.is_set():
            raise TimeoutError from None
        raise
    finally:
        alarm.cancel()


@contextmanager
def translated(act: str, *, missing: str = "no_folder") -> Iterator[None]:
    """Translate errors of paramiko and the system to SftpError, without file names or addresses."""
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
    except (BadAnswerError, paramiko.SFTPError, struct.error, UnicodeDecodeError):
        raise SftpError(
            "server_failed", f"{act}: the server's answer is not what SFTP says"
        ) from None
    except ListingTooLongError:
        raise SftpError(
            "listing_too_long",
            f"{act}: there are more files than SALDO_LISTING_LIMIT allows: have old files removed",
        ) from None
    except OSError as error:
        if str(error) == "Socket is closed":  # paramiko's message
            raise SftpError("connection_lost", f"{act}: the connection broke") from None
        raise SftpError("server_failed", f"{act}: the server failed") from None
