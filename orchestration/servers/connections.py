"""Connect to an organization's server, with a deadline (R20)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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

# The maximum number of connections that a step keeps open while nobody uses them.
_IDLE_AT_ONCE = 16


@dataclass(frozen=True)
class _Connection:
    """A client, and what closes its connections."""

    client: Client
    stack: ExitStack


class Kept:
    """Connections of one step, kept open for the next organization that has the same login.

    A login costs the server as much as dozens of small files. A connection is kept only if an
    organization with its login has not begun: servers limit the connections of an address. Threads
    may share this; a connection serves one organization at a time. All are closed when the context
    ends.

    Args:
        organizations: those that the step connects to.
        environment: their secrets.

    """

    def __init__(
        self, organizations: Iterable[Organization], environment: Mapping[str, str]
    ) -> None:
        self._to_come: dict[Login, set[str]] = defaultdict(set)
        for each in organizations:
            self._to_come[read_login(each, environment)].add(each.organization_id)
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
        """Close all connections, also if closing one of them fails."""
        with ExitStack() as stack:
            for login in list(self._idle):
                stack.callback(self.drop, login)

    def take(self, login: Login, organization_id: str) -> _Connection | None:
        """Let an organization begin; return a connection for it that nobody uses, or None."""
        with self._lock:
            self._to_come[login].discard(organization_id)
            connections = self._idle[login]
            return connections.pop() if connections else None

    def give(self, login: Login, connection: _Connection) -> bool:
        """Keep a connection that its organization no longer uses, if there is a use for it.

        Returns:
            Whether it is kept. If not, the caller closes it.

        """
        with self._lock:
            idle = self._idle[login]
            is_kept = (
                connection.client.is_connected
                and not connection.client.has_reconnected
                and len(idle) < len(self._to_come[login])
                and sum(map(len, self._idle.values())) < _IDLE_AT_ONCE
            )
            if is_kept:
                idle.append(connection)
            return is_kept

    def drop(self, login: Login) -> None:
        """Close the connections of a login that nobody uses, also if closing one of them fails."""
        with self._lock:
            connections = self._idle.pop(login, [])
        with ExitStack() as stack:
            for connection in connections:
                stack.push(connection.stack)


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
            if it is needed and the block does not raise. None: the connection is new, and closed
            afterwards.

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
                connection = kept.take(login, organization.organization_id) if kept else None
                if kept and connection and not connection.client.serve(deadline):
                    # Those that were idle as long have no better chance.
                    kept.drop(login)
                    connection.stack.close()
                    connection = None
                connection = connection or _open(
                    organization, environment, timeout_seconds, deadline, limits
                )
                yield connection.client
                is_done = True
            except SftpError:
                if deadline.is_over:
                    raise SftpError("timed_out", deadline.message, has_advice=True) from None
                raise
    finally:
        if connection and not (kept and is_done and kept.give(login, connection)):
            connection.stack.close()


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
