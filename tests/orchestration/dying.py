"""Kills the process in which it is imported, where it is told to."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from typing import Any


def die(*_: object) -> None:
    """What `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm_at(place: str, when: str, call: int = 1) -> None:
    """Have this process die at a function.

    Args:
        place: its module and its path there.
        when: `before` or `after` it did its work, or a word that a path holds.
        call: at which of its calls.

    """
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, _mortal(getattr(owner, name), when, call))


def _mortal(act: Callable[..., Any], when: str, call: int) -> Callable[..., Any]:
    calls = 0

    def mortal(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        is_asked = when in {"before", "after"} or when in str(arguments[1])
        calls += is_asked
        is_here = is_asked and calls == call
        if is_here and when != "after":
            die()
        result = act(*arguments, **options)
        if is_here:
            die()
        return result

    return mortal
