"""Dagster's storage of run events; `dagster.yaml` names the class.

A run reports each table and each test to Dagster: hundreds of events. Dagster's own SQLite storage
opens, syncs and closes two files for each of them, which took a third of a small day, and commits
up to three transactions, after it has looked which tables and columns there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import local
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen
from sqlalchemy.exc import DisconnectionError

_BUSY_SECONDS = 30
# What a run is about to make is told in one event for each table and test, all of them by whoever
# plans the run: the command, or the daemon.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


class EventLog(ConsolidatedSqliteEventLogStorage):
    """Dagster's one-file SQLite storage of events, with connections that stay open.

    With a write-ahead log, `synchronous = normal` may lose the last events when the power fails,
    but never damages the file. The data that Saldo must not lose is in the warehouse and the
    landing area.
    """

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """Begin a transaction, or go on in that of this thread."""
        if hasattr(self._of_thread, "connection"):
            yield self._of_thread.connection
            return
        with self._engine.begin() as connection:
            self._of_thread.connection = connection
            try:
                yield connection
            finally:
                del self._of_thread.connection

    @cached_property
    def _of_thread(self) -> local:
        return local()

    @cached_property
    def _engine(self) -> Engine:
        engine = create_engine(self._conn_string, connect_args={"timeout": _BUSY_SECONDS})
        listen(engine, "connect", self._prepare)
        listen(engine, "checkout", self._require_same_file)
        return engine

    def _prepare(self, connection: Any, record: Any) -> None:
        connection.execute("pragma synchronous = normal")
        record.info["file"] = self._identify_file()

    def _require_same_file(self, _: Any, record: Any, __: Any) -> None:
        """Open anew where a home was made anew: else all goes to the deleted file, in silence."""
        if record.info["file"] != self._identify_file():
            message = "the log of events is another file"
            raise DisconnectionError(message)

    def _identify_file(self) -> tuple[int, int] | None:
        path = Path(self.get_db_path())  # type: ignore[no-untyped-call]
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def dispose(self) -> None:
        """Close the connections: the last one writes the log ahead into the file."""
        super().dispose()  # type: ignore[no-untyped-call]
        self._engine.dispose()

    @cached_property
    def _seen(self) -> set[str]:
        return set()

    def has_table(self, table_name: str) -> bool:
        """Tell if there is such a table; Dagster asks with each event, and drops none."""
        if table_name not in self._seen and super().has_table(table_name):
            self._seen.add(table_name)
        return table_name in self._seen

    @cached_property
    def _has_times_of_assets(self) -> bool:
        return self.has_asset_key_col("last_materialization_timestamp")

    def _has_asset_key_index_cols_on_connection(self, _: Connection) -> bool:
        return self._has_times_of_assets

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event and touch the file: the user interface watches its modification time."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events and what the log knows of their assets and checks, in one transaction."""
        with self._connect():
            for event in events:
                super().store_event(event)
        os.utime(str(self.get_db_path()))  # type: ignore[no-untyped-call]
