"""Connect to an organization's server, with a deadline (R20)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType

from orchestration.contracts.organizations import Organization
from orchestration.servers import ssh
from orchestration.servers.deadlines import Deadline, Limits, read_limits
from orchestration.servers.errors import SftpError
from orchestration.servers.keys import Login, read_login
from orchestration.servers.remote_reading import SftpClient
from orchestration.servers.sftp import Client
from orchestration.servers.ssh import translated


@dataclass(frozen=True)
class _Connection:
    """A client, and what closes its connections."""

    client: Client
    stack: ExitStack


class Kept:
    """Connections of one step, kept open for the next organization that has the same login.

    A login costs the server as much as dozens of small files. Threads may share this; a connection
    serves one organization at a time. All are closed when the context ends.
    """

    def __init__(self) -> None:
        self._idle: dict[Login, list[_Connection]] = defaultdict(list)
        self._lock = threading.Lock()

    def __enter__(self) -> Kept:
        """Keep connections from now on."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.stack.close()
            self._idle.clear()

    def take(self, login: Login) -> _Connection | None:
        """Return a connection that nobody uses, or None."""
        with self._lock:
            connections = self._idle[login]
            return connections.pop() if connections else None

    def give(self, login: Login, connection: _Connection) -> None:
        """Keep a connection that its organization no longer uses."""
        with self._lock:
            self._idle[login].append(connection)


@contextmanager
def connect(
    organization: Organization,
    environment: Mapping[str, str],
    *,
    timeout_seconds: float = 30,
    kept: Kept | None = None,
) -> Iterator[Client]:
    """Connect to an organization's server; the deadline limits the connection's duration (R20).

    Args:
        organization: the organization of the server.
        environment: the secrets and trusted keys, as for `ssh.connect`, and the limits.
        timeout_seconds: how long to wait for a single answer.
        kept: where a connection of the same login may be, and where this one belongs afterwards,
            unless the block raises. None: the connection is new, and closed afterwards.

    Raises:
        SftpError: the errors of `ssh.connect`. The block also raises `timed_out` once the deadline
            has passed.
        ContractError: a limit is not a number.

    """
    limits = read_limits(environment)
    login = read_login(organization, environment)
    connection: _Connection | None = None
    is_done = False
    try:
        with Deadline(limits.look_seconds) as deadline:
            try:
                connection = _take(kept, login, deadline) or _open(
                    organization, environment, timeout_seconds, deadline, limits
                )
                yield connection.client
                is_done = True
            except SftpError:
                if deadline.is_over:
                    raise SftpError("timed_out", deadline.message, has_advice=True) from None
                raise
    finally:
        if connection is not None:
            if kept is not None and is_done and connection.client.is_connected:
                kept.give(login, connection)
            else:
                connection.stack.close()


def _take(kept: Kept | None, login: Login, deadline: Deadline) -> _Connection | None:
    while kept is not None and (connection := kept.take(login)) is not None:
        connection.client.serve(deadline)
        with suppress(SftpError):
            connection.client.resolve(".")
            return connection
        connection.stack.close()
    return None


def _open(
    organization: Organization,
    environment: Mapping[str, str],
    timeout_seconds: float,
    deadline: Deadline,
    limits: Limits,
) -> _Connection:
    stack = ExitStack()

    def open_sftp(attempts: int, deadline: Deadline) -> SftpClient:
        transport = stack.enter_context(
            ssh.connect(
                organization,
                environment,
                deadline,
                timeout_seconds=timeout_seconds,
                attempts=attempts,
            )
        )
        with translated("opening SFTP"):
            return ssh.open_sftp(transport, timeout_seconds)

    try:
        return _Connection(Client(open_sftp, deadline, limits), stack)
    except BaseException:
        stack.close()
        raise
