"""Limit how long one server may take and how much it may send (R20).

A server that sends a byte every 20 seconds passes every time-out for a single answer. So the whole
connection has a deadline, and a listing has a size limit.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

from orchestration.contracts.tables import ContractError

LOOK_SECONDS = "SALDO_LOOK_SECONDS"
LISTING_LIMIT = "SALDO_LISTING_LIMIT"
_DEFAULTS = {LOOK_SECONDS: 180, LISTING_LIMIT: 50_000}
# A large file may take longer: one more second for this many bytes.
_BYTES_A_SECOND = 1_000_000
# The average number of bytes that a name in a listing may take, with its attributes.
BYTES_A_NAME = 512


@dataclass(frozen=True)
class Limits:
    """The limits for one server.

    Args:
        look_seconds: maximum duration of a connection, without the time added for the bytes of
            files.
        listed_names: maximum number of names in the listing of a folder.

    """

    look_seconds: float = _DEFAULTS[LOOK_SECONDS]
    listed_names: int = _DEFAULTS[LISTING_LIMIT]


def read_limits(environment: Mapping[str, str]) -> Limits:
    """Read the limits of this installation; they apply to every organization.

    Args:
        environment: SALDO_LOOK_SECONDS and SALDO_LISTING_LIMIT, whole numbers from 1.

    Raises:
        ContractError: one of them is not such a number.

    """
    values = {name: environment.get(name, str(default)) for name, default in _DEFAULTS.items()}
    for name, text in values.items():
        if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
            raise ContractError(f"{name}: {text!r} is not allowed; allowed: a whole number from 1")
    return Limits(float(values[LOOK_SECONDS]), int(values[LISTING_LIMIT]))


class Deadline:
    """The deadline of a connection; when it passes, another thread closes the connection.

    Args:
        seconds: the duration; allow() extends it.

    Attributes:
        byte_count: the bytes of files that it was extended for.

    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._close: Callable[[], object] | None = None
        self._is_done = threading.Event()
        self._lock = threading.Lock()
        self._is_over = False
        self.byte_count = 0

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed and the connection was closed."""
        return self._is_over

    @property
    def message(self) -> str:
        """The message for a server that exceeded the deadline."""
        return (
            f"the server was not done after {self._seconds:.0f} seconds: ask the organization, or"
            f" raise {LOOK_SECONDS} if it is only slow"
        )

    def allow(self, byte_count: int) -> None:
        """Extend the deadline by the time that bytes of a file may take."""
        self.byte_count += byte_count
        self._ends += byte_count / _BYTES_A_SECOND

    def watch(self, close: Callable[[], object]) -> None:
        """Set the function that closes the connection; call it now if the deadline has passed."""
        with self._lock:
            self._close = close
            if self._is_over:
                close()

    def __enter__(self) -> Deadline:
        """Start the timer."""
        threading.Thread(target=self._wait, name="deadline", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the timer; the connection may serve others from now on."""
        self._is_done.set()
        with self._lock:
            self._close = None

    def _wait(self) -> None:
        while (left := self._ends - time.monotonic()) > 0:
            if self._is_done.wait(left):
                return
        with self._lock:
            self._is_over = True
            if self._close is not None:
                self._close()
