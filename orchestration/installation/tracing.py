"""Where an error that nobody foresaw happened: told in the run's log, without its text (R30)."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator

WHERE = (
    "where it happened stands in the log of the run (logs/DATE.log; of the daemon's runs, stderr of"
    " the step in Dagster)"
)


def trace(error: BaseException) -> str:
    """Write the traceback of an error to the log of the run.

    Its text, and that of its causes, may hold anything: only their kinds are written.

    Returns:
        The kind of the error, and where its traceback is.

    """
    sys.stderr.write("".join(_lines(error)))
    return f"{type(error).__name__}: {WHERE}"


def _lines(error: BaseException) -> Iterator[str]:
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _lines(earlier)
        yield "and then\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}\n"
