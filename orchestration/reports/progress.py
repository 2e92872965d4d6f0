"""Progress messages from a step to the command that started the run.

A step's output goes to the run's log; the command listens here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestration.installation.messages import Say

_listeners: list[Say] = []


def send(text: str) -> None:
    """Send a message to all listeners."""
    for listener in _listeners:
        listener(text)


@contextmanager
def listening(listener: Say) -> Iterator[None]:
    """Listen for the duration of the context."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
