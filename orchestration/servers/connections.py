"""Connect to an organization's server, with a deadline (R20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from orchestration.contracts.organizations import Organization
from orchestration.servers import ssh
from orchestration.servers.deadlines import Deadline, read_limits
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_reading import (
    SftpClient,
)
from orchestration.servers.sftp import Client
from orchestration.servers.ssh import translated


@contextmanager
def connect(
    organization: Organization, environment: Mapping[str, str], *, timeout_seconds: float = 30
) -> Iterator[Client]:
    """Connect to an organization's server; the deadline limits the connection's duration (R20).

    Args:
        organization: the organization of the server.
        environment: the secrets and trusted keys, as for `ssh.connect`, and the limits.
        timeout_seconds: how long to wait for a single answer.

    Raises:
        SftpError: the errors of `ssh.connect`. The block also raises `timed_out` once the deadline
            has passed.
        ContractError: a limit is not a number.

    """
    limits = read_limits(environment)
    with ExitStack() as stack:
        deadline = stack.enter_context(Deadline(limits.look_seconds))

        def open_sftp(attempts: int) -> SftpClient:
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
            yield Client(open_sftp, deadline, limits)
        except SftpError:
            if deadline.is_over:
                raise SftpError("timed_out", deadline.message, has_advice=True) from None
            raise
