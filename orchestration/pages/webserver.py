"""Dagster's user interface behind a guard, with the daemon beside it where one machine is all.

Dagster's own webserver carries out what whoever reaches it asks, and any page that an operator
visits can reach it through the operator's browser. This one answers to its own names alone and
writes for its own pages alone; who may open those is for an SSH tunnel or a proxy with a login.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from dagster import DagsterInstance
from dagster import __version__ as dagster_version
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PyProjectFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.types import ASGIApp

from orchestration.installation.errors import ToldError
from orchestration.installation.home import PROJECT
from orchestration.pages.guards import OwnNames, OwnWrites, SecurityHeaders, read_origins

HOST = "127.0.0.1"
ORIGINS_VARIABLE = "SALDO_UI_ORIGINS"

# How often an open page asks for what is new, and how long a question to the database may take.
_POLL_MILLISECONDS = 2000
_STATEMENT_TIMEOUT_MILLISECONDS = 15_000
_RECYCLE_SECONDS = 3600
_CONNECTIONS = 20
_STOP_SECONDS = 60
# No page may show this one in a frame, to have its buttons clicked, or keep hold of its window.
_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class NotServedError(ToldError):
    """The user interface cannot be served, or no longer; the message says why."""


def serve(port: int, environment: Mapping[str, str], *, with_daemon: bool) -> None:
    """Serve the user interface on loopback until a signal ends it.

    Args:
        port: of this machine's loopback address.
        environment: may name the origins of a proxy.
        with_daemon: run Dagster's daemon as well, for as long.

    Raises:
        pages.guards.OriginError: an origin is not one.
        NotServedError: the port is taken, or the daemon ended by itself.

    """
    origins = read_origins(environment.get(ORIGINS_VARIABLE, ""), ORIGINS_VARIABLE)
    # Uvicorn closes what is open, then raises the signal again: the rest is put away after that.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    with _bind(port) as bound, DagsterInstance.get() as instance:
        _say("loading what Dagster shows")
        # Opens every storage, so that the daemon finds the tables made.
        instance.optimize_for_webserver(
            _STATEMENT_TIMEOUT_MILLISECONDS, _RECYCLE_SECONDS, _CONNECTIONS
        )
        with WorkspaceProcessContext(
            instance,
            version=dagster_version,
            workspace_load_target=PyProjectFileTarget(str(PROJECT / "pyproject.toml")),
            code_server_log_level="WARNING",
        ) as context:
            app = create_app_from_workspace_process_context(
                context, live_data_poll_rate=_POLL_MILLISECONDS
            )
            server = uvicorn.Server(uvicorn.Config(guard(app, origins), log_level="warning"))
            _say(f"http://{HOST}:{port}")
            if with_daemon:
                with _daemon_beside(server):
                    server.run(sockets=[bound])
            else:
                server.run(sockets=[bound])


def guard(app: ASGIApp, origins: frozenset[str] = frozenset()) -> ASGIApp:
    """Dagster's application behind everything that keeps strangers out.

    Args:
        app: the application.
        origins: those of a proxy before it.

    """
    return SecurityHeaders(OwnNames(OwnWrites(app, origins), origins), _HEADERS)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (the terminal is what the operator looks at)


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise NotServedError(
            f"port {port} of this machine cannot be used: {error.strerror}; --port takes another"
        ) from error
    return bound


@contextmanager
def _daemon_beside(server: uvicorn.Server) -> Iterator[None]:
    """Run the daemon while the block lasts; the server ends when the daemon does."""
    with subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run"], cwd=PROJECT, env=os.environ.copy()
    ) as daemon:

        def watch() -> None:
            daemon.wait()
            server.should_exit = True

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            has_ended = daemon.poll() is not None
            daemon.terminate()
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
        if has_ended:
            raise NotServedError(
                "the daemon ended, and with it the user interface: see above why, then start again"
            )
