"""The delivery ledger: the intent is written before a file is sent, the outcome afterwards (R24).

The ledger is in the landing area, with one batch per delivery step: a file of lines that only
grows. Each file that is sent adds two lines: the intent, which is on the disk before the first byte
is sent, and the outcome. A killed step leaves an intent without an outcome: the file is in doubt
until somebody has checked the server. `raw.deliveries` has the same attempts, one per row, and is
filled from here. So files are sent only once, even if the warehouse is lost.
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

from orchestration.delivery.attempts import BEGUN, Attempt
from orchestration.delivery.outgoing import DELIVERED, LEFT_TO_PEOPLE, FileKey, OutgoingFile
from orchestration.installation import warehouse
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.databases import Connection
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.whole_files import write_whole
from orchestration.landing.sealing import changed, read_sealed, seal_line, unseal

_BATCH_ID, _LINE_COUNT = "batch_id", "line_count"
_PRIVATE = 0o600


class LedgerError(ToldError):
    """The ledger cannot be written. A file without an intent in the ledger is not sent."""


class Batch:
    """The attempts of one delivery step; several threads add to it.

    Args:
        home: the installation.
        batch_id: the number of the batch; its file is created with the first attempt.
        clock: returns the time of each attempt.

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
        """Write the intent to send a file; it is on the disk when this returns.

        Raises:
            LedgerError: it could not be written.

        """
        self._append([Attempt.of(file, self._clock(), BEGUN, is_in_doubt=True)])
        self.sync()

    def note_outcomes(self, *outcomes: tuple[OutgoingFile, str, str | None, bool]) -> None:
        """Write the outcomes of files together; they are on the disk once sync() returns.

        Args:
            outcomes: each file, its outcome, details, and whether it is in doubt.

        Raises:
            LedgerError: they could not be written.

        """
        now = self._clock()
        self._append(
            [
                Attempt.of(file, now, outcome, detail, is_in_doubt=is_in_doubt)
                for file, outcome, detail, is_in_doubt in outcomes
            ]
        )

    def sync(self) -> None:
        """Sync everything written so far to the disk; one sync serves all waiting threads.

        Raises:
            LedgerError: the disk did not accept it.

        """
        wanted = self._written
        with self._syncing:
            if self._file is None or self._synced >= wanted:
                return
            written = self._written
            try:
                os.fsync(self._file.fileno())
            except (OSError, ValueError) as error:
                # A second sync may succeed without the data that the first one lost: stop writing.
                self._file.close()
                raise _cannot_write(error) from error
            self._synced = written

    def end(self) -> None:
        """Write that the step has ended: from now on a missing line is damage.

        Raises:
            LedgerError: it could not be written.

        """
        if self._file is not None:
            self._write(seal_line({_LINE_COUNT: self._written}), 0)
            self._written += 1
            self.sync()

    def close(self) -> None:
        """Close the file."""
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
    """Open the next batch of the ledger for one delivery step; without attempts no file is made.

    Raises:
        LedgerError: the last lines are not on the disk.
        DamagedError: the newest batch has changed since it was written.

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
    """Yield the batches of the ledger after a number, in order.

    Raises:
        DamagedError: one has changed since it was written.

    """
    for batch_id in batch_ids(home):
        if batch_id > after:
            yield batch_id, read_batch(home, batch_id)


def read_batch(home: Home, batch_id: int) -> list[Attempt]:
    """Read the attempts of a batch: for each file the outcome, or the intent if it has none.

    An older version wrote one JSON document of outcomes.

    Raises:
        DamagedError: the batch has changed since it was written.

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
    """Rewrite a batch that has ended, under its number."""
    values = [{_BATCH_ID: batch_id}, *map(asdict, attempts), {_LINE_COUNT: len(attempts)}]
    former = batch_path(home, batch_id)
    path = _path(home, batch_id)
    write_whole(path, "".join(map(seal_line, values)).encode(), _PRIVATE)
    if former != path:
        former.unlink(missing_ok=True)


def batch_ids(home: Home) -> list[int]:
    """Return the numbers of the batches of the ledger, in order."""
    return sorted({int(path.stem) for path in _folder(home).glob("[0-9]*.json*")})


def batch_path(home: Home, batch_id: int) -> Path:
    """Return the path of a batch; those of an older version have another extension."""
    former = _folder(home) / f"{batch_id:08d}.json"
    return former if former.exists() else _path(home, batch_id)


def restore(connection: Connection, home: Home) -> None:
    """Insert the attempts that the warehouse does not have into raw.deliveries."""
    for batch_id, attempts in read_attempts(home, after=warehouse.last_batch_id(connection)):
        rows = [{"batch_id": batch_id, **asdict(attempt)} for attempt in attempts]
        warehouse.insert(connection, "deliveries", rows)


def find_in_doubt(connection: Connection) -> set[FileKey]:
    """Find the files that the receiver may have: their last attempt has no known outcome."""
    rows = connection.execute(
        "select organization_id, file_name, load_id from main.deliveries where is_in_doubt"
    ).fetchall()
    return {(organization_id, name, load_id) for organization_id, name, load_id in rows}


def find_changed(connection: Connection, files: Sequence[OutgoingFile]) -> list[OutgoingFile]:
    """Return the files that were sent with other bytes than they have now (R23)."""
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
    """Return the newest batch whose outcomes left to people have been reported; 0 if none."""
    path = _told_path(home)
    return int(path.read_text()) if path.exists() else 0


def note_told(home: Home, batch_id: int) -> None:
    """Record that the outcomes left to people have been reported up to this batch."""
    if batch_id > last_told(home):
        write_whole(_told_path(home), f"{batch_id}\n".encode())


def _folder(home: Home) -> Path:
    return home.landing / "_deliveries"


def _path(home: Home, batch_id: int) -> Path:
    return _folder(home) / f"{batch_id:08d}.jsonl"


def _told_path(home: Home) -> Path:
    return _folder(home) / "told"


def _read_lines(path: Path, batch_id: int) -> tuple[list[dict[str, Any]], bool]:
    """Read the attempts in a batch's lines, and whether its step ended.

    A last line without a line end was being written when the step was killed: it does not count.

    Raises:
        KeyError, TypeError, ValueError: the batch has changed since it was written.

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
    """End a batch whose step was killed: its lines are complete as they are."""
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
    """Write everything or nothing: a partial line would corrupt the following lines."""
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
