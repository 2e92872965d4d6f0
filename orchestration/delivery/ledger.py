"""The delivery ledger: what will be sent is noted before, and what came of it afterwards (R24).

It is kept in the landing area, a batch for each delivery step: a file of lines that are only ever
added. Each file that is sent adds two: the intent, which is on the disk before the first byte
leaves, and the outcome. An intent without an outcome is what a killed step leaves: the file is in
doubt until somebody has looked at the server. `raw.deliveries` has the same attempts, a row each,
and is filled from here: what an organization was sent is sent once, whatever becomes of the
warehouse.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

import duckdb

from orchestration.delivery.attempts import BEGUN, Attempt
from orchestration.delivery.outgoing import DELIVERED, LEFT_TO_PEOPLE, FileKey, OutgoingFile
from orchestration.installation import warehouse
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.whole_files import write_whole
from orchestration.landing.sealing import changed, read_sealed, seal_line, unseal

_BATCH_ID, _LINE_COUNT = "batch_id", "line_count"
_PRIVATE = 0o600


class LedgerError(ToldError):
    """The ledger cannot be written: what is not noted is not sent."""


class Batch:
    """The attempts of one delivery step, which several threads note.

    Args:
        home: the installation.
        batch_id: the number of the batch; its file is made with the first attempt.
        clock: tells the time of each attempt.

    """

    def __init__(self, home: Home, batch_id: int, clock: Clock) -> None:
        self._home = home
        self._batch_id = batch_id
        self._clock = clock
        self._file: FileIO | None = None
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._written = 0
        self._synced = 0

    def note_intent(self, file: OutgoingFile) -> None:
        """Note that a file is about to be sent; on the disk when this returns.

        Raises:
            LedgerError: it could not be noted.

        """
        self._append([Attempt.of(file, self._clock(), BEGUN, is_in_doubt=True)])
        self.sync()

    def note_outcomes(self, *outcomes: tuple[OutgoingFile, str, str | None, bool]) -> None:
        """Note what came of files, together; on the disk once sync() returns.

        Args:
            outcomes: each file, its outcome, what else is known, and whether it is in doubt.

        Raises:
            LedgerError: it could not be noted.

        """
        now = self._clock()
        self._append(
            [
                Attempt.of(file, now, outcome, detail, is_in_doubt=is_in_doubt)
                for file, outcome, detail, is_in_doubt in outcomes
            ]
        )

    def sync(self) -> None:
        """Have all that was noted before be on the disk: one sync serves all who wait for one.

        Raises:
            LedgerError: the disk did not take it.

        """
        wanted = self._written
        with self._syncing:
            if self._file is None or self._synced >= wanted:
                return
            written = self._written
            try:
                os.fsync(self._file.fileno())
            except (OSError, ValueError) as error:
                # A second sync may succeed without what the first one lost: nothing more is noted.
                self._file.close()
                raise _cannot_write(error) from error
            self._synced = written

    def end(self) -> None:
        """Note that the step has ended: from now on a missing line is damage.

        Raises:
            LedgerError: it could not be noted.

        """
        if self._file is not None:
            self._write(seal_line({_LINE_COUNT: self._written}), 0)
            self._written += 1
            self.sync()

    def close(self) -> None:
        """Take nothing more."""
        if self._file is not None:
            self._file.close()

    def _append(self, attempts: Sequence[Attempt]) -> None:
        lines = "".join(seal_line(asdict(each)) for each in attempts)
        self._write(lines, len(attempts))

    def _write(self, lines: str, count: int) -> None:
        with self._writing:
            try:
                if self._file is None:
                    self._file = self._create()
                _write_all(self._file, lines.encode())
            except (OSError, ValueError) as error:
                raise _cannot_write(error) from error
            self._written += count

    def _create(self) -> FileIO:
        path = _path(self._home, self._batch_id)
        write_whole(path, seal_line({_BATCH_ID: self._batch_id}).encode(), _PRIVATE)
        return FileIO(path, "a")


@contextmanager
def open_batch(home: Home, clock: Clock = utc_now) -> Iterator[Batch]:
    """The next batch of the ledger, for one delivery step; nothing is made if nothing is noted.

    Raises:
        LedgerError: what was noted last is not on the disk.
        DamagedError: the newest batch is not as it was written.

    """
    newest = max(batch_ids(home), default=0)
    _end_killed(home, newest)
    batch = Batch(home, newest + 1, clock)
    try:
        yield batch
        batch.end()
    finally:
        batch.close()


def read_attempts(home: Home, after: int) -> Iterator[tuple[int, list[Attempt]]]:
    """The batches of the ledger after a number, in order.

    Raises:
        DamagedError: one is not as it was written.

    """
    for batch_id in batch_ids(home):
        if batch_id > after:
            yield batch_id, read_batch(home, batch_id)


def read_batch(home: Home, batch_id: int) -> list[Attempt]:
    """The attempts of a batch: of each file the outcome, or the intent if it has none.

    An older version wrote one JSON of outcomes.

    Raises:
        DamagedError: it is not as it was written.

    """
    path = batch_path(home, batch_id)
    try:
        if path.suffix == ".json":
            values = read_sealed(path)
            listed = values["attempts"] if isinstance(values, dict) else values
        else:
            listed, is_ended = _read_lines(path, batch_id)
            if not is_ended and batch_id != max(batch_ids(home)):
                raise changed(path)
        attempts = [Attempt.from_values(each) for each in listed]
    except (KeyError, TypeError, ValueError):
        raise changed(path) from None
    return list({each.key: each for each in attempts}.values())


def write_batch(home: Home, batch_id: int, attempts: Sequence[Attempt]) -> None:
    """Write a batch that has ended again, under its number."""
    values = [{_BATCH_ID: batch_id}, *map(asdict, attempts), {_LINE_COUNT: len(attempts)}]
    former = batch_path(home, batch_id)
    path = _path(home, batch_id)
    write_whole(path, "".join(map(seal_line, values)).encode(), _PRIVATE)
    if former != path:
        former.unlink(missing_ok=True)


def batch_ids(home: Home) -> list[int]:
    """The numbers of the batches of the ledger, in order."""
    return sorted({int(path.stem) for path in _folder(home).glob("[0-9]*.json*")})


def batch_path(home: Home, batch_id: int) -> Path:
    """Where a batch of the ledger is; those of an older version have another ending."""
    former = _folder(home) / f"{batch_id:08d}.json"
    return former if former.exists() else _path(home, batch_id)


def restore(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Bring the attempts that the warehouse does not know into raw.deliveries."""
    for batch_id, attempts in read_attempts(home, after=warehouse.last_batch_id(connection)):
        rows = [{"batch_id": batch_id, **asdict(attempt)} for attempt in attempts]
        warehouse.insert(connection, "deliveries", rows)


def find_in_doubt(connection: duckdb.DuckDBPyConnection) -> set[FileKey]:
    """The files that the receiver may have: their last attempt began and has no known end."""
    rows = connection.execute(
        "select organization_id, file_name, load_id from raw.deliveries"
        " group by all having max_by(is_in_doubt, batch_id)"
    ).fetchall()
    return {(organization_id, name, load_id) for organization_id, name, load_id in rows}


def find_changed(
    connection: duckdb.DuckDBPyConnection, files: Sequence[OutgoingFile]
) -> list[OutgoingFile]:
    """The files of which other bytes have been sent than they would have now (R23)."""
    sent = set(
        connection.execute(
            "select organization_id, file_name, load_id, sha256 from raw.deliveries"
            " where list_contains(?, outcome) or is_in_doubt",
            [[*DELIVERED, *LEFT_TO_PEOPLE]],
        ).fetchall()
    )
    names = {key[:3] for key in sent}
    return [file for file in files if file.key in names and (*file.key, file.sha256) not in sent]


def last_told(home: Home) -> int:
    """The newest batch of which people have been told what is left to them; 0 if none."""
    path = _told_path(home)
    return int(path.read_text()) if path.exists() else 0


def note_told(home: Home, batch_id: int) -> None:
    """Note that people have been told what is left to them of all batches up to this one."""
    if batch_id > last_told(home):
        write_whole(_told_path(home), f"{batch_id}\n".encode())


def _folder(home: Home) -> Path:
    return home.landing / "_deliveries"


def _path(home: Home, batch_id: int) -> Path:
    return _folder(home) / f"{batch_id:08d}.jsonl"


def _told_path(home: Home) -> Path:
    return _folder(home) / "told"


def _read_lines(path: Path, batch_id: int) -> tuple[list[dict[str, Any]], bool]:
    """The attempts that a batch's lines tell of, and whether its step came to its end.

    A last line without its end was being written when the step was killed: it was not yet noted.

    Raises:
        KeyError, TypeError, ValueError: it is not as it was written.

    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        del lines[-1]
    first, *noted = [unseal(line) for line in lines]
    if first[_BATCH_ID] != batch_id:
        raise ValueError("it is another batch")
    is_ended = bool(noted) and _LINE_COUNT in noted[-1]
    if is_ended and noted.pop()[_LINE_COUNT] != len(noted):
        raise ValueError("lines are missing")
    return noted, is_ended


def _end_killed(home: Home, batch_id: int) -> None:
    """End a batch whose step was killed: it has the lines that it has."""
    path = _path(home, batch_id)
    if not path.exists():
        return
    try:
        noted, is_ended = _read_lines(path, batch_id)
    except (KeyError, TypeError, ValueError):
        raise changed(path) from None
    if not is_ended:
        values = [{_BATCH_ID: batch_id}, *noted, {_LINE_COUNT: len(noted)}]
        write_whole(path, "".join(map(seal_line, values)).encode(), _PRIVATE)


def _write_all(file: FileIO, content: bytes) -> None:
    """Write all of it or nothing: a half line would spoil those after it."""
    before = os.fstat(file.fileno()).st_size
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        os.ftruncate(file.fileno(), before)
        raise


def _cannot_write(error: Exception) -> LedgerError:
    reason = error.strerror if isinstance(error, OSError) else "it is closed after a failed sync"
    return LedgerError(
        f"the delivery ledger cannot be written ({reason}); what is not noted is not sent:"
        " make it writable and run again"
    )
