"""The published copy as pages read it: opened for each request, read-only, its rows as values.

Not the warehouse: a run may hold that, and no page waits for a run (R28, R35).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import duckdb

from orchestration.delivery import published_copy
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.landing import manifests

Row = TypeVar("Row")
# What the engine of the copy raises.
EngineError = duckdb.Error


class NotPublishedError(Exception):
    """There is no published copy yet.

    Args:
        has_landed: whether a load has landed, whose run has not ended.

    """

    def __init__(self, *, has_landed: bool) -> None:
        super().__init__()
        self.has_landed = has_landed


class OlderCopyError(Exception):
    """The published copy lacks a table or column that a page needs: it was made by older code."""


class Reader:
    """A published copy that is open."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def rows(self, kind: type[Row], sql: str, /, **parameters: Any) -> list[Row]:
        """The rows of a query as values, whose fields are its columns in their order."""
        return [kind(*row) for row in self.connection.execute(sql, parameters).fetchall()]

    def row(self, kind: type[Row], sql: str, /, **parameters: Any) -> Row | None:
        """The one row of a query; None if there is none."""
        found = self.connection.execute(sql, parameters).fetchone()
        return None if found is None else kind(*found)

    def read_published_at(self) -> datetime | None:
        """When the copy was made (UTC)."""
        found = self.connection.execute("from published_at").fetchone()
        return found[0] if found else None


@contextmanager
def opened(home: Home) -> Iterator[Reader]:
    """The published copy, open while the block lasts.

    Raises:
        NotPublishedError: there is none yet.
        OlderCopyError: it lacks what was asked for.
        DamagedError: it cannot be read.

    """
    if not home.analytics.exists():
        raise NotPublishedError(has_landed=bool(manifests.load_ids(home)))
    try:
        with published_copy.reading(home) as connection:
            yield Reader(connection)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise OlderCopyError from error
