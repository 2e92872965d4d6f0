"""From the bytes of landed files to rows of text in a Parquet file (R31).

Columns are mapped by header name (R11, R12). Every value stays the text that it was in the file
(R14). A file that cannot be read gives a code and a message, not an error (R16). `delimited` parses
bytes into records.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import duckdb

from orchestration.contracts.organizations import Aliases
from orchestration.formats.delimited import Records, read_header
from orchestration.formats.encodings import Encoding, UnreadableError, find_encoding
from orchestration.formats.file_columns import (
    Column,
    Layout,
    attributes_of,
    describe_columns,
    map_columns,
)
from orchestration.formats.record_check import ESCAPE, ESCAPES, FILLER, check_records
from orchestration.installation.damage import is_of_full_disk
from orchestration.installation.databases import Connection, copy_sql, literal_path, quoted
from orchestration.installation.project_yaml import RawTable
from orchestration.installation.row_views import select_list

# DuckDB has some thousand cells of each column in memory: with more columns a file has few records.
_MANY_COLUMNS = 2_000
_MOST_CELLS = 1_000_000
# DuckDB's default limit for a line; a longer line needs larger buffers.
_DUCKDB_LINE_BYTES = 2_000_000


class RecordCountMismatchError(Exception):
    """DuckDB does not find the number of records that were counted; nothing was inserted (R14)."""

    code = "record_count_mismatch"
    message = "El archivo no se pudo leer completo."


class RowsRefusedError(Exception):
    """DuckDB failed; the message is the type of its error, because its text quotes rows (R30)."""


class OutOfMemoryError(RowsRefusedError):
    """DuckDB had too little memory: whether a file is read depends on the machine."""


@dataclass(frozen=True)
class Reading:
    """The result of reading a file; `code` and `message` say why it is refused.

    Args:
        encoding: `utf-8`, `utf-8-sig` (with a BOM) or `cp1252`; None if it is none of them.
        record_count: number of records after the header, without blank lines; 0 for a refused file.
        columns: the position of each field that the file has.
        attribute_columns: name and position of every other column, sorted by name.
        column_names: the names in the header, empty where a column has none.
        records: where the records are; None for a refused file.
        code: why the file is refused (R16); None for a readable file.
        message: the same in Spanish, with the line if there is one; contains no cell of the file
            (R30).

    """

    encoding: Encoding | None = None
    record_count: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    attribute_columns: tuple[tuple[str, int], ...] = ()
    column_names: tuple[str, ...] = ()
    records: Records | None = None
    code: str | None = None
    message: str | None = None

    @property
    def shape(self) -> Hashable:
        """Return what files have in common that one query can read."""
        records = self.records
        if records is None:
            return None
        flags = records.has_escapes, records.has_fillers
        return _options_sql(records), flags, tuple(self.columns.items()), self.attribute_columns

    def describe_columns(self) -> tuple[Column, ...]:
        """Say what each column that is kept is taken for; nothing of a refused file."""
        return describe_columns(self.column_names, self.columns, self.attribute_columns)


@contextmanager
def read(path: Path, layout: Layout, aliases: Aliases, scratch: Path) -> Iterator[Reading]:
    """Check a landed file against its contract; the result is valid within the context.

    A file with bad content does not raise: the reading has the code.

    Args:
        path: the landed file.
        layout: how to read it.
        aliases: the field that each header name means (R11).
        scratch: an existing folder for a copy, which some files need; the copy is removed at the
            end.

    Raises:
        OSError: the file or the folder cannot be used.

    """
    reading = _read(path, layout, aliases, scratch)
    try:
        yield reading
    finally:
        if reading.records is not None and reading.records.is_copy:
            reading.records.path.unlink(missing_ok=True)


def copy_rows(
    connection: Connection,
    readings: Mapping[str, Reading],
    table: RawTable,
    target: Path,
    compression: str,
) -> int:
    """Copy the records of readable files of one shape to a new Parquet file, in their order.

    Each row gets the physical line number where its record starts. Empty cells become null, all
    others stay as in the file. `attributes` is a JSON object of the other columns that are not
    empty, with sorted keys, or null if there are none. `attribute_length` is the length of the
    longest of them, in characters.

    Args:
        connection: the warehouse; no table of it is written.
        readings: the reading of each file, by its id.
        table: the columns, with file_id, line_number, the fields of the file's kind, attributes
            and attribute_length. The load is not written.
        target: the new file; not made for files without records.
        compression: of the Parquet file.

    Returns:
        The number of rows, which is the sum of `record_count`.

    Raises:
        RecordCountMismatchError: of one of the files, before anything was written.
        RowsRefusedError: DuckDB failed on a row.
        ValueError: a file is refused, or they have several shapes.

    """
    refused = [each.code for each in readings.values() if each.code is not None]
    if refused:
        raise ValueError(f"a refused file ({refused[0]}) has no rows")
    if len({each.shape for each in readings.values()}) > 1:
        raise ValueError("files of several shapes are not read together: copy them one by one")
    filled = {name: each.records for name, each in readings.items() if each.records}
    filled = {name: each for name, each in filled.items() if each.record_count}
    if not filled:
        return 0
    every = list(filled.values())
    first, reading = every[0], next(iter(readings.values()))
    # Elsewhere the same characters are a cell.
    is_record = f"r0 is distinct from {quoted(FILLER)}" if first.has_fillers else "true"
    line_counts = _read_lines(connection, every, is_record)
    if line_counts is None:
        raise RecordCountMismatchError
    # The rows of all files have one numbering, in which each file begins where the former ended.
    begins = accumulate(line_counts[:-1], initial=0)
    shifts = [str(each.first_line - begin) for each, begin in zip(every, begins, strict=True)]
    values = {
        "file_id": _of_file_sql(list(map(quoted, filled))),
        "line_number": f"rowid - first_rowid + {_of_file_sql(shifts)}",
        **{name: f"c{position}" for name, position in reading.columns.items()},
    }
    if reading.attribute_columns:
        values["attributes"] = _attributes_sql(reading.attribute_columns)
        values["attribute_length"] = _attribute_length_sql(reading.attribute_columns)
    rows = (
        f"select {select_list(table, values)}"  # noqa: S608 (names of ours)
        f" from (select rowid, *, {_cells_sql(first)} from temp.file_rows where {is_record})"
        " cross join (select min(rowid) as first_rowid from temp.file_rows)"
    )
    ((copied,),) = _fetch(connection, copy_sql(rows, target, compression))
    connection.execute("drop table temp.file_rows")
    record_count = sum(each.record_count for each in every)
    if copied != record_count:
        raise RuntimeError(f"{copied} rows copied of {record_count} records counted")
    return copied


def _read(path: Path, layout: Layout, aliases: Aliases, scratch: Path) -> Reading:
    delimiter = layout.delimiter
    encoding: Encoding | None = None
    try:
        encoding = find_encoding(path)
        header = read_header(path, encoding, delimiter)
        columns = map_columns(header.names, layout, aliases)
        records = check_records(path, encoding, delimiter, header, scratch)
        _require_few_cells(records)
    except UnreadableError as error:
        return Reading(encoding, code=error.code, message=error.message)
    return Reading(
        encoding=encoding,
        record_count=records.record_count,
        columns=columns,
        attribute_columns=attributes_of(header, records, columns),
        column_names=header.names,
        records=records,
    )


def _require_few_cells(records: Records) -> None:
    """Refuse what would take too much memory by its columns, on whatever machine (R16, R20)."""
    if records.width > _MANY_COLUMNS and records.width * records.record_count > _MOST_CELLS:
        raise UnreadableError(
            "too_many_columns",
            f"El archivo tiene {records.width} columnas y {records.record_count} registros; con más"
            f" de {_MANY_COLUMNS} columnas, el máximo es de {_MOST_CELLS} celdas.",
        )


def _paths_sql(every: Sequence[Records]) -> str:
    return f"[{', '.join(quoted(literal_path(each.path)) for each in every)}]"


def _options_sql(records: Records) -> str:
    """Return the options with which read_csv has the columns `r0`, `r1`, ..."""
    columns = ", ".join(f"r{each}: 'varchar'" for each in range(records.width))
    options = {
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        "header": "false",
        "skip": str(records.skipped_lines),
        "delim": quoted(records.delimiter),
        "quote": "''",
        "escape": "''",
        "comment": "''",
        "nullstr": "''",
        "encoding": "'utf-8'",
        "compression": "'none'",
        "strict_mode": "true",
        "null_padding": "false",
        "ignore_errors": "false",
        "hive_partitioning": "false",
        "filename": "false",
    }
    if records.longest_line > _DUCKDB_LINE_BYTES:
        options["max_line_size"] = str(records.longest_line)
        options["buffer_size"] = str(4 * records.longest_line)
    return ", ".join(f"{key} = {value}" for key, value in options.items())


def _of_file_sql(values: Sequence[str]) -> str:
    """Return the value of a row's file, of the values of all files."""
    return values[0] if len(values) == 1 else f"[{', '.join(values)}][file_index + 1]"


def _cells_sql(records: Records) -> str:
    """Return the cells as in the file: `c0`, `c1`, ... from `r0`, `r1`, ..."""
    cells = [f"r{each}" for each in range(records.width)]
    if records.has_escapes:
        cells = [_unescaped_sql(cell) for cell in cells]
    return ", ".join(f"{cell} as c{each}" for each, cell in enumerate(cells))


def _unescaped_sql(cell: str) -> str:
    plain = cell
    for character, written in reversed(ESCAPES.items()):
        plain = f"replace({plain}, {quoted(written)}, {quoted(character)})"
    return f"case when contains({cell}, {quoted(ESCAPE)}) then {plain} else {cell} end"


def _attributes_sql(attribute_columns: Sequence[tuple[str, int]]) -> str:
    members = ", ".join(
        f"{quoted(json.dumps(name, ensure_ascii=False) + ':')} || to_json(c{position})"
        for name, position in attribute_columns
    )
    return f"'{{' || nullif(concat_ws(',', {members}), '') || '}}'"


def _attribute_length_sql(attribute_columns: Sequence[tuple[str, int]]) -> str:
    lengths = ", ".join(f"length(c{position})" for _, position in attribute_columns)
    return f"greatest({lengths})"


def _read_lines(
    connection: Connection, every: Sequence[Records], is_record: str
) -> list[int] | None:
    """Read the lines of each file into the temporary table `file_rows`, and count them.

    It numbers its lines in order, from some number on. All cores read and write at a time;
    to number the lines while they are read would keep all of it to one core.

    Returns:
        None if it fails, or does not find as many records in each file as were counted.

    """
    source = f"read_csv({_paths_sql(every)}, {_options_sql(every[0])})"
    lines = f"select file_index::bigint as file_index, * from {source}"  # noqa: S608 (names of ours)
    try:
        _fetch(connection, f"create or replace temp table file_rows as {lines}")
        found = _fetch(
            connection,
            f"select file_index, count(*), count(*) filter ({is_record})"  # noqa: S608
            " from temp.file_rows group by all order by all",
        )
    except OutOfMemoryError:
        raise
    except RowsRefusedError:
        return None
    wanted = [(number, each.record_count) for number, each in enumerate(every)]
    if [(number, record_count) for number, _, record_count in found] != wanted:
        return None
    return [line_count for _, line_count, _ in found]


def _fetch(connection: Connection, sql: str) -> list[tuple[int, ...]]:
    try:
        return connection.execute(sql).fetchall()
    except (duckdb.IOException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        if is_of_full_disk(error):
            raise
        is_of_memory = isinstance(error, duckdb.OutOfMemoryException)
        refusal = (OutOfMemoryError if is_of_memory else RowsRefusedError)(type(error).__name__)
    raise refusal  # outside of the handler, so that DuckDB's error is not its context
