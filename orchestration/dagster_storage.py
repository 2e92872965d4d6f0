"""Dagster's storage of run events; `dagster.yaml` names the class.

A run reports each table and each test to Dagster: hundreds of events. Dagster's own SQLite storage
opens, syncs and closes two files for each of them, which took a third of a small day.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen

_BUSY_SECONDS = 30


class EventLog(ConsolidatedSqliteEventLogStorage):
    """Dagster's one-file SQLite storage of events, with connections that stay open.

    With a write-ahead log, `synchronous = normal` may lose the last events when the power fails,
    but never damages the file. The data that Saldo must not lose is in the warehouse and the
    landing area.
    """

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    @cached_property
    def _engine(self) -> Engine:
        engine = create_engine(self._conn_string, connect_args={"timeout": _BUSY_SECONDS})
        listen(engine, "connect", _sync_at_checkpoints)
        return engine

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event and touch the file: the user interface watches its modification time."""
        super().store_event(event)
        os.utime(str(self.get_db_path()))  # type: ignore[no-untyped-call]


def _sync_at_checkpoints(connection: Any, _: object) -> None:
    connection.execute("pragma synchronous = normal")
