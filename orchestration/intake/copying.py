"""Copy the rows of a load's files from the landed bytes to files of rows (R31)."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from orchestration.contracts.organizations import Aliases, read_column_aliases
from orchestration.formats import workbooks
from orchestration.formats.encodings import UnreadableError
from orchestration.formats.file_columns import Column, Layout
from orchestration.formats.text_files import (
    RecordCountMismatchError,
    RowsRefusedError,
    copy_rows,
    read,
)
from orchestration.installation import row_views
from orchestration.installation.databases import copy_sql, literal_path, quoted
from orchestration.installation.home import Home
from orchestration.landing import manifests, row_files, store
from orchestration.landing.manifests import LandedFile, Manifest
from orchestration.landing.row_files import Collected, RowFile
from orchestration.landing.sealing import require_named

ROW_TABLES = {
    "invoices": "invoices",
    "payments": "organization_payments",
    manifests.CUSTOMERS: "customers",
}
_JSON_TYPES = {
    "load_id": "bigint",
    "event_number": "bigint",
    "line_number": "bigint",
    "attribute_length": "bigint",
}


@dataclass(frozen=True)
class Copied:
    """What came of reading a file; `code` and `message` say why it is refused."""

    record_count: int = 0
    encoding: str | None = None
    columns: tuple[Column, ...] = ()
    code: str | None = None
    message: str | None = None


def collecting(
    connection: duckdb.DuckDBPyConnection, home: Home, manifest: Manifest
) -> AbstractContextManager[Collected]:
    """Collect the rows of a load's files; see row_files.collecting."""
    file_counts = Counter(ROW_TABLES[file.kind] for file in manifest.files)
    return row_files.collecting(connection, home, manifest.load_id, file_counts)


def copy_file(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    file: LandedFile,
    aliases: Aliases,
    rows: Collected,
) -> Copied:
    """Collect a file's rows, if it can be read."""
    refused = Copied(encoding=file.encoding, code=file.file_code, message=file.file_message)
    if file.file_code is not None:
        return refused
    path = store.stored_path(home, file)
    require_named(path, file.stored_sha256)
    if file.kind == manifests.CUSTOMERS:
        try:
            count, columns = _copy_customers(connection, home, path, file, aliases, rows)
        except UnreadableError as error:
            return replace(refused, code=error.code, message=error.message)
        return replace(refused, record_count=count, columns=columns)
    layout = Layout(file.organization_id, file.kind, file.delimiter, file.customer_id_scheme)
    with read(path, layout, aliases, home.scratch) as reading:
        if reading.code is not None:
            return Copied(encoding=reading.encoding, code=reading.code, message=reading.message)
        table = ROW_TABLES[file.kind]
        try:
            count = copy_rows(
                connection,
                reading,
                row_views.row_tables()[table],
                file.file_id,
                *rows.next_part(table),
            )
        except RecordCountMismatchError as error:
            return Copied(encoding=reading.encoding, code=error.code, message=error.message)
        except RowsRefusedError as error:
            # The file name may contain a person's name; the hash identifies the file, too (R30).
            raise RowsRefusedError(f"{file.organization_id}, file {file.sha256}: {error}") from None
        return Copied(count, reading.encoding, reading.describe_columns())


def _copy_customers(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    path: Path,
    file: LandedFile,
    aliases: Aliases,
    rows: Collected,
) -> tuple[int, tuple[Column, ...]]:
    """Collect the rows of a workbook (R26).

    Returns:
        The number of rows, and what its columns are taken for.

    Raises:
        UnreadableError: the workbook cannot be read to its end; nothing was collected.

    """
    table = row_views.row_tables()["customers"]

    def copy(source: str, names: Sequence[str]) -> None:
        selected = row_views.select_list(table, {name: name for name in names})
        target, compression = rows.next_part("customers")
        selected_rows = f"select {selected} from {source}"  # noqa: S608 (names of ours)
        connection.execute(copy_sql(selected_rows, target, compression))

    count = 0
    with (
        workbooks.read(path, file.organization_id, file.customer_id_scheme, aliases) as workbook,
        json_lines(home, "customers", copy) as add,
    ):
        for row in workbook.rows():
            values = asdict(row)
            line_number = values.pop("row_number")
            add({"file_id": file.file_id, "line_number": line_number, **values})
            count += 1
    return count, workbook.sheet.describe_columns()


def copy_anew(
    connection: duckdb.DuckDBPyConnection, home: Home, manifest: Manifest
) -> list[RowFile]:
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
    with collecting(connection, home, manifest) as rows:
        for file in manifest.files:
            copy_file(connection, home, file, aliases, rows)
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
                f"read_json({quoted(Path(literal_path(path)))}, format = 'newline_delimited',"
                f" columns = {{{columns}}}, maximum_object_size = {max(longest, 1 << 24)})",
                names,
            )
