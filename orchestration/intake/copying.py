"""Copy the rows of a load's files from the landed bytes to files of rows (R31)."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestration.contracts.organizations import Aliases, read_column_aliases
from orchestration.formats import workbooks
from orchestration.formats.encodings import UnreadableError
from orchestration.formats.file_columns import Column, Layout
from orchestration.formats.text_files import (
    Reading,
    RecordCountMismatchError,
    RowsRefusedError,
    copy_rows,
    read,
)
from orchestration.installation import row_views
from orchestration.installation.damage import DamagedError, is_of_full_disk
from orchestration.installation.databases import Connection, copy_sql, literal_path, quoted
from orchestration.installation.home import Home
from orchestration.installation.tracing import trace
from orchestration.landing import manifests, row_files, store
from orchestration.landing.manifests import LandedFile, Manifest
from orchestration.landing.row_files import Collected, RowFile
from orchestration.landing.sealing import require_named

ROW_TABLES = {
    "invoices": "invoices",
    "payments": "organization_payments",
    manifests.CUSTOMERS: "customers",
}
# No more bytes than this, and one file, are read together: all rows of a query are in memory or
# spilled.
_BYTES_TOGETHER = 1 << 28
_JSON_TYPES = {
    "load_id": "bigint",
    "event_number": "bigint",
    "line_number": "bigint",
    "attribute_length": "bigint",
}


class UnreadFileError(RowsRefusedError):
    """A file could not be read here, though nothing of it is damaged; the message names it."""

    def __init__(self, file: LandedFile, kind: str) -> None:
        # The file name may contain a person's name; the hash identifies the file, too (R30).
        super().__init__(f"{file.organization_id}, file {file.sha256}: {kind}")
        self.file_id = file.file_id


@dataclass(frozen=True)
class Copied:
    """What came of reading a file; `code` and `message` say why it is refused."""

    record_count: int = 0
    encoding: str | None = None
    columns: tuple[Column, ...] = ()
    code: str | None = None
    message: str | None = None


def copy_files(
    connection: Connection,
    home: Home,
    files: Sequence[LandedFile],
    aliases: Aliases,
    rows: Collected,
) -> list[Copied]:
    """Collect the rows of a load's files, as far as these can be read.

    Text files of one shape are read together, because a query costs as much as thousands of rows.
    If that fails, each is read by itself: what is told of a file does not depend on the others.

    Args:
        connection: the warehouse, which is not changed.
        home: the installation.
        files: the files.
        aliases: the field that each header name means (R11).
        rows: gets the rows.

    Returns:
        What came of each file, in order.

    Raises:
        DamagedError: a file has changed since it landed.
        UnreadFileError: a file could not be read, as by lack of memory.

    """
    copied: dict[str, Copied] = {}
    left = deque(files)
    workbook_count = sum(file.kind == manifests.CUSTOMERS for file in files)
    while left:
        is_first, byte_count = len(left) == len(files), 0
        together: dict[tuple[str, Hashable], dict[LandedFile, Reading]] = defaultdict(dict)
        with ExitStack() as stack:
            while left and byte_count < _BYTES_TOGETHER:
                file = left.popleft()
                if file.file_code is not None:
                    copied[file.file_id] = Copied(
                        encoding=file.encoding, code=file.file_code, message=file.file_message
                    )
                    continue
                path = store.stored_path(home, file)
                require_named(path, file.stored_sha256)
                if file.kind == manifests.CUSTOMERS:
                    with _naming(file):
                        copied[file.file_id] = _copy_customers(
                            connection, home, path, file, aliases, rows, is_only=workbook_count == 1
                        )
                    continue
                layout = Layout(
                    file.organization_id, file.kind, file.delimiter, file.customer_id_scheme
                )
                with _naming(file):
                    reading = stack.enter_context(read(path, layout, aliases, home.scratch))
                if reading.records is not None:
                    together[ROW_TABLES[file.kind], reading.shape][file] = reading
                    byte_count += reading.records.path.stat().st_size
                copied[file.file_id] = Copied(
                    reading.record_count,
                    reading.encoding,
                    reading.describe_columns(),
                    reading.code,
                    reading.message,
                )
            shapes = Counter(table for table, _ in together)
            for (table, _), readings in together.items():
                is_only = is_first and not left and shapes[table] == 1
                for file_id, error in _copy_together(
                    connection, table, readings, rows, is_only=is_only
                ):
                    encoding = copied[file_id].encoding
                    copied[file_id] = Copied(
                        encoding=encoding, code=error.code, message=error.message
                    )
    return [copied[file.file_id] for file in files]


def _copy_together(
    connection: Connection,
    table: str,
    readings: Mapping[LandedFile, Reading],
    rows: Collected,
    *,
    is_only: bool,
) -> Iterator[tuple[str, RecordCountMismatchError]]:
    """Collect the rows of files of one shape; yield those that DuckDB does not read whole."""
    target, compression = rows.next_part(table, is_only=is_only)
    by_id = {file.file_id: reading for file, reading in readings.items()}
    try:
        # An error ends the transaction of a connection, and the load goes on.
        with connection.cursor() as own:
            copy_rows(own, by_id, row_views.row_tables()[table], target, compression)
    except (RecordCountMismatchError, RowsRefusedError) as error:
        target.unlink(missing_ok=True)
        file = next(iter(readings))
        if len(readings) > 1:
            for each, reading in readings.items():
                yield from _copy_together(connection, table, {each: reading}, rows, is_only=False)
        elif isinstance(error, RecordCountMismatchError):
            yield file.file_id, error
        else:
            raise UnreadFileError(file, str(error)) from None


@contextmanager
def _naming(file: LandedFile) -> Iterator[None]:
    """Name the file at which reading fails, unless damage or a full disk is the cause."""
    try:
        yield
    except (DamagedError, OSError):
        raise
    except Exception as error:
        if is_of_full_disk(error):
            raise
        trace(error)
        raise UnreadFileError(file, type(error).__name__) from None


def _copy_customers(
    connection: Connection,
    home: Home,
    path: Path,
    file: LandedFile,
    aliases: Aliases,
    rows: Collected,
    *,
    is_only: bool,
) -> Copied:
    """Collect the rows of a workbook (R26); nothing of one that cannot be read to its end."""
    table = row_views.row_tables()["customers"]

    def copy(source: str, names: Sequence[str]) -> None:
        selected = row_views.select_list(table, {name: name for name in names})
        target, compression = rows.next_part("customers", is_only=is_only)
        selected_rows = f"select {selected} from {source}"  # noqa: S608 (names of ours)
        connection.execute(copy_sql(selected_rows, target, compression))

    count = 0
    try:
        with (
            workbooks.read(
                path, file.organization_id, file.customer_id_scheme, aliases
            ) as workbook,
            json_lines(home, "customers", copy) as add,
        ):
            for row in workbook.rows():
                values = asdict(row)
                line_number = values.pop("row_number")
                add({"file_id": file.file_id, "line_number": line_number, **values})
                count += 1
    except UnreadableError as error:
        return Copied(encoding=file.encoding, code=error.code, message=error.message)
    return Copied(count, file.encoding, workbook.sheet.describe_columns())


def copy_anew(connection: Connection, home: Home, manifest: Manifest) -> list[RowFile]:
    """Make the files of rows of a load once more, of the landed bytes (R31).

    Args:
        connection: the warehouse, which is not changed.
        home: the installation.
        manifest: the load.

    Raises:
        DamagedError: a file or the contracts have changed since they landed.

    """
    store.require_contracts(home, manifest.contracts)
    aliases = read_column_aliases(store.contracts_path(home, manifest.contracts))
    with row_files.collecting(connection, home, manifest.load_id) as rows:
        copy_files(connection, home, manifest.files, aliases, rows)
        return rows.keep()


@contextmanager
def json_lines(
    home: Home, table: str, take: Callable[[str, Sequence[str]], None]
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Collect rows on the disk; if the context succeeds, `take` gets their SQL and columns."""
    names: list[str] = []
    longest = 0
    with tempfile.TemporaryDirectory(dir=home.scratch) as scratch:
        path = Path(scratch) / f"{table}.jsonl"
        with path.open("w", encoding="utf-8") as lines:

            def add(row: Mapping[str, Any]) -> None:
                nonlocal longest
                names[:] = names or row
                line = json.dumps(row)
                longest = max(longest, len(line))
                lines.write(line + "\n")

            yield add
        if names:
            columns = ", ".join(f"{name}: '{_JSON_TYPES.get(name, 'varchar')}'" for name in names)
            take(
                f"read_json({quoted(literal_path(path))}, format = 'newline_delimited',"
                f" columns = {{{columns}}}, maximum_object_size = {max(longest, 1 << 24)})",
                names,
            )
