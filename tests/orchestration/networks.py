"""A network between Saldo and a real server, which can be parted in two.

Not a test. A network that is parted passes no bytes, and nobody is told: no connection ends, and
one that is begun meanwhile is not answered.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from orchestration.devtools.loopback_sftp import HOST

_PIECE = 16384


class Network:
    """Passes bytes on, until it is parted.

    Args:
        server_port: where on the loopback interface they go.

    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.bytes_from_server = 0
        self._is_whole = threading.Event()
        self._is_whole.set()
        self._is_time: Callable[[], bool] = _never
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_parted(self) -> bool:
        """Whether nothing is passed on."""
        return not self._is_whole.is_set()

    def part_once(self, is_time: Callable[[], bool]) -> None:
        """Pass nothing from the moment on at which something is so; asked before each piece."""
        self._is_time = is_time

    def mend(self) -> None:
        """Pass bytes again; whatever was connected by then has ended."""
        self._is_time = _never
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()
        self._is_whole.set()

    def close(self) -> None:
        """End all connections and take no more."""
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        self._is_whole.wait()
        with (
            suppress(OSError),
            closing(client),
            socket.create_connection((HOST, self._server_port)) as server,
        ):
            self._open.append(server)
            back = threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True)
            back.start()
            self._pass_on(client, server, is_from_server=False)
            back.join()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_from_server: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self.bytes_from_server += len(piece) if is_from_server else 0
                if self._is_time():
                    self._is_whole.clear()
                self._is_whole.wait()
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextmanager
def network(server_port: int) -> Iterator[Network]:
    """Stand between Saldo and a server until the block ends."""
    made = Network(server_port)
    try:
        yield made
    finally:
        made.close()


def _never() -> bool:
    return False
