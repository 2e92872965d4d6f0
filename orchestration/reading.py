"""From the bytes of one landed file to rows of text in a table of schema `raw`.

Columns are mapped by header name (R11, R12), every value stays the text that it was in the file
(R14), and a file that cannot be read becomes a code and a message, never an error (R16). What
bytes make a record is in `delimited`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration.contracts import FIELDS, REQUIRED, RUT_HEADERS, Aliases, normalize_header
from orchestration.delimited import (
    ESCAPE,
    ESCAPES,
    FILLER,
    Encoding,
    Header,
    Records,
    UnreadableError,
    check_records,
    find_encoding,
    read_header,
)

LONGEST_ATTRIBUTE_NAME = 256
LONGEST_SHOWN_NAME = 60

# DuckDB's own limit for a line; a longer line needs larger buffers.
_DUCKDB_LINE_BYTES = 2_000_000

_SPANISH: Mapping[str, str] = {
    "customer_id": "identificador del cliente",
    "product_id": "identificador del producto",
    "due_date": "fecha de vencimiento",
    "amount": "monto",
    "is_paid": "pagado",
    "is_void": "anulado",
    "name": "nombre",
    "mail": "correo",
    "channel": "canal",
    "paid_on": "fecha de pago",
    "currency": "moneda",
    "check_digit": "dígito verificador",
}


class RecordCountMismatchError(Exception):
    """DuckDB does not find the records that were counted; nothing was inserted (R14)."""

    code = "record_count_mismatch"
    message = "El archivo no se pudo leer completo."


class RowsRefusedError(Exception):
    """DuckDB failed; the message is the kind of its error, whose own words quote rows (R30)."""


@dataclass(frozen=True)
class Layout:
    """The part of a contract that says how a file is read.

    Args:
        organization_id: whose file it is.
        kind: `invoices`, `payments` or `customers`.
        delimiter: one ASCII character; empty for a workbook, whose columns need none.
        customer_id_scheme: `rut` or `external_id`.

    """

    organization_id: str
    kind: str
    delimiter: str
    customer_id_scheme: str


@dataclass(frozen=True)
class Reading:
    """What was found in a file; `code` and `message` say why it cannot be read, if so.

    Args:
        encoding: `utf-8`, `utf-8-sig` (with a BOM) or `cp1252`; None when it is none of them.
        record_count: records after the header, blank lines not counted; 0 for a refused file.
        columns: the position of each field that the file has.
        attribute_columns: name and position of every other column, sorted by name.
        records: where the records are; None for a refused file.
        code: why the file is refused (R16), None for a readable file.
        message: the same in Spanish, with the line where there is one; no cell of the file (R30).

    """

    encoding: Encoding | None = None
    record_count: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    attribute_columns: tuple[tuple[str, int], ...] = ()
    records: Records | None = None
    code: str | None = None
    message: str | None = None


@contextmanager
def read(path: Path, layout: Layout, aliases: Aliases, scratch: Path) -> Iterator[Reading]:
    """Read a landed file as far as its contract goes, for as long as the context lasts.

    A file whose content is bad raises nothing: the reading says so.

    Args:
        path: the landed file.
        layout: how it is read.
        aliases: which header name means which field (R11).
        scratch: an existing folder for a copy, which some files need; it is removed at the end.

    Raises:
        OSError: the file or the folder cannot be used.

    """
    reading = _read(path, layout, aliases, scratch)
    try:
        yield reading
    finally:
        if reading.records is not None and reading.records.is_copy:
            reading.records.path.unlink(missing_ok=True)


def insert_rows(
    connection: duckdb.DuckDBPyConnection, reading: Reading, table: str, load_id: int, file_id: str
) -> int:
    """Insert the records of a readable file, in the transaction that the caller has begun.

    Each row gets the physical line number where its record starts. Empty cells are null, all others
    are as in the file. `attributes` is a JSON object of the other columns that are not empty, keys
    sorted, and null if there are none; `attribute_length` is the length of the longest of them, in
    characters.

    Args:
        connection: the warehouse.
        reading: of a readable file.
        table: a table of schema `raw` with load_id, file_id, line_number, the fields of the file's
            kind, attributes and attribute_length.
        load_id: the load that brings the file.
        file_id: the file.

    Returns:
        The number of rows, which is `reading.record_count`.

    Raises:
        RecordCountMismatchError: before anything was inserted; the transaction is still good.
        RowsRefusedError: DuckDB failed on a row; the transaction must be rolled back.
        ValueError: the file is refused.

    """
    if reading.records is None:
        raise ValueError(f"a refused file ({reading.code}) has no rows")
    if reading.record_count == 0:
        return 0
    records = reading.records
    path = _literal_path(records.path)
    source = _source_sql(records)
    where = f" where r0 is distinct from {_text(FILLER)}" if records.has_fillers else ""
    if _count(connection, f"{source}{where}", path) != reading.record_count:
        raise RecordCountMismatchError(records.path.name)
    values = {
        "load_id": "?::bigint",
        "file_id": "?::varchar",
        "line_number": f"rowid - first_rowid + {records.first_line}",
        **{name: f"c{position}" for name, position in reading.columns.items()},
    }
    if reading.attribute_columns:
        values["attributes"] = _attributes_sql(reading.attribute_columns)
        values["attribute_length"] = _attribute_length_sql(reading.attribute_columns)
    # Every core reads and every core inserts: numbering the rows while they are read would keep
    # both to one. A table numbers its rows in their order, from some number on.
    _fetch_number(connection, f"create temp table file_rows as from {source}", [path])
    inserted = _fetch_number(
        connection,
        f"insert into raw.{_identifier(table)} ({', '.join(values)})"  # noqa: S608 (names of ours)
        f" select {', '.join(values.values())}"
        f" from (select rowid, {_cells_sql(records)} from temp.file_rows{where})"
        " cross join (select min(rowid) as first_rowid from temp.file_rows)",
        [load_id, file_id],
    )
    connection.execute("drop table temp.file_rows")
    if inserted != reading.record_count:
        raise RuntimeError(f"{inserted} rows inserted of {reading.record_count} records counted")
    return inserted


def _read(path: Path, layout: Layout, aliases: Aliases, scratch: Path) -> Reading:
    delimiter = layout.delimiter
    encoding: Encoding | None = None
    try:
        encoding = find_encoding(path)
        header = read_header(path, encoding, delimiter)
        columns = map_columns(header.names, layout, aliases)
        records = check_records(path, encoding, delimiter, header, scratch)
    except UnreadableError as error:
        return Reading(encoding, code=error.code, message=error.message)
    return Reading(
        encoding=encoding,
        record_count=records.record_count,
        columns=columns,
        attribute_columns=_name_attributes(header, records, columns),
        records=records,
    )


def map_columns(names: Sequence[str], layout: Layout, aliases: Aliases) -> dict[str, int]:
    """Give the position of each field that a header has (R12).

    When several columns mean one field and one of them by the organization's own alias, that one is
    the field and the others are attributes. So it is with a RUT beside another id of the
    customer: the contract's scheme says which of them it is.

    Args:
        names: of the columns, empty where there is none.
        layout: whose file of which kind it is.
        aliases: which header name means which field (R11).

    Raises:
        UnreadableError: a required column is missing, or two columns are one field (R16).

    """
    found: dict[str, list[int]] = {}
    own: dict[str, list[int]] = {}
    is_rut = layout.customer_id_scheme == "rut"
    of_scheme: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        meaning = aliases.field(layout.organization_id, layout.kind, name) if name else None
        if meaning == "check_digit" and not is_rut:
            meaning = None  # only a RUT has one
        if meaning is not None:
            found.setdefault(meaning, []).append(position)
            key = (layout.organization_id, layout.kind, normalize_header(name))
            if key in aliases.fields:
                own.setdefault(meaning, []).append(position)
            if meaning == "customer_id" and (key[2] in RUT_HEADERS) == is_rut:
                of_scheme.setdefault(meaning, []).append(position)
    columns: dict[str, int] = {}
    for meaning in FIELDS[layout.kind]:
        positions = own.get(meaning) or of_scheme.get(meaning) or found.get(meaning) or []
        if len(positions) > 1:
            raise UnreadableError("doubled_column", _doubled_message(names, meaning, positions))
        if positions:
            columns[meaning] = positions[0]
    missing = [name for name in REQUIRED[layout.kind] if name not in columns]
    if missing:
        raise UnreadableError("missing_column", _missing_message(names, layout, missing))
    return columns


def _doubled_message(names: Sequence[str], meaning: str, positions: Sequence[int]) -> str:
    shown = " y ".join(f"«{_shown(names[each])}» (columna {each + 1})" for each in positions[:2])
    return f"Dos columnas son {_SPANISH[meaning]}: {shown}. Deje una sola."


def _missing_message(names: Sequence[str], layout: Layout, missing: Sequence[str]) -> str:
    wanted = ", ".join(f"{_SPANISH[name]} ({name})" for name in missing)
    word = "la columna obligatoria" if len(missing) == 1 else "las columnas obligatorias"
    message = f"El encabezado no tiene {word}: {wanted}."
    if len(names) == 1 and layout.delimiter:
        delimiter = "tabulador" if layout.delimiter == "\t" else f"«{layout.delimiter}»"
        message += f" Hay una sola columna: el separador acordado es {delimiter}."
    return message


def _shown(name: str) -> str:
    """Give a header name for a message: one line, printable, not long."""
    plain = "".join(char if char.isprintable() else " " for char in name)
    plain = re.sub(r" +", " ", plain)
    if len(plain) > LONGEST_SHOWN_NAME:
        return plain[: LONGEST_SHOWN_NAME - 1] + "…"
    return plain


def _name_attributes(
    header: Header, records: Records, columns: Mapping[str, int]
) -> tuple[tuple[str, int], ...]:
    """Name every column that is no field; nameless ones at the end only if they hold something."""
    width = len(header.names) if records.has_nameless_values else header.named_width
    return name_attributes(header.names, columns, min(width, records.width))


def name_attributes(
    names: Sequence[str], columns: Mapping[str, int], width: int
) -> tuple[tuple[str, int], ...]:
    """Name every column that is no field, no two alike.

    A nameless column is called after its position (`column_3`), the second of two alike gets a
    number (`nota_2`).

    Args:
        names: of the columns, empty where there is none.
        columns: the positions of the fields.
        width: how many of the columns count.

    Returns:
        Name and position of each, sorted by name.

    """
    taken = {name for name in names if name}
    named: dict[str, int] = {}
    for position, name in enumerate(names[:width]):
        if position in columns.values():
            continue
        base = (name or f"column_{position + 1}")[:LONGEST_ATTRIBUTE_NAME]
        unique, number = base, 1
        while unique in named or (unique in taken and unique != name):
            number += 1
            unique = f"{base}_{number}"
        named[unique] = position
    return tuple(sorted(named.items()))


def _source_sql(records: Records) -> str:
    """Give read_csv of the records: `r0`, `r1`, ...; its parameter is the path."""
    columns = ", ".join(f"r{each}: 'varchar'" for each in range(records.width))
    options = {
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        "header": "false",
        "skip": str(records.skipped_lines),
        "delim": _text(records.delimiter),
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
    return f"read_csv(?, {', '.join(f'{key} = {value}' for key, value in options.items())})"


def _cells_sql(records: Records) -> str:
    """Give the cells as they are in the file: `c0`, `c1`, ... from `r0`, `r1`, ..."""
    cells = [f"r{each}" for each in range(records.width)]
    if records.has_escapes:
        cells = [_unescaped_sql(cell) for cell in cells]
    return ", ".join(f"{cell} as c{each}" for each, cell in enumerate(cells))


def _unescaped_sql(cell: str) -> str:
    plain = cell
    for character, written in reversed(ESCAPES.items()):
        plain = f"replace({plain}, {_text(written)}, {_text(character)})"
    return f"case when contains({cell}, {_text(ESCAPE)}) then {plain} else {cell} end"


def _attributes_sql(attribute_columns: Sequence[tuple[str, int]]) -> str:
    members = ", ".join(
        f"{_text(json.dumps(name, ensure_ascii=False) + ':')} || to_json(c{position})"
        for name, position in attribute_columns
    )
    return f"'{{' || nullif(concat_ws(',', {members}), '') || '}}'"


def _attribute_length_sql(attribute_columns: Sequence[tuple[str, int]]) -> str:
    lengths = ", ".join(f"length(c{position})" for _, position in attribute_columns)
    return f"greatest({lengths})"


def _count(connection: duckdb.DuckDBPyConnection, source: str, path: str) -> int | None:
    """Count the records that DuckDB finds, in a transaction of its own; None when it fails."""
    with connection.cursor() as cursor:
        try:
            return _fetch_number(cursor, f"select count(*) from {source}", [path])  # noqa: S608
        except RowsRefusedError:
            return None


def _fetch_number(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object]
) -> int:
    try:
        row = connection.execute(sql, parameters).fetchone()
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        refusal = RowsRefusedError(type(error).__name__)
    else:
        return int(row[0]) if row else 0
    raise refusal  # outside of the handler, so that DuckDB's error is not its context


def _literal_path(path: Path) -> str:
    """Give a path in which DuckDB sees no pattern."""
    return re.sub(r"[*?\[]", lambda match: f"[{match[0]}]", str(path.resolve()))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
