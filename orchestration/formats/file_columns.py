"""The columns of a file: which field each column is, and the names of the other columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.contracts.organizations import (
    FIELDS,
    REQUIRED,
    RUT_HEADERS,
    Aliases,
    normalize_header,
)
from orchestration.formats.delimited import Header, Records
from orchestration.formats.encodings import UnreadableError

# Fields by which no rule decides: two columns for one of them are two attributes.
_UNDECIDING: Mapping[str, tuple[str, ...]] = {
    "invoices": ("name", "mail"),
    "payments": ("channel", "paid_on"),
    "customers": (),
}
LONGEST_ATTRIBUTE_NAME = 256
LONGEST_SHOWN_NAME = 60
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


@dataclass(frozen=True)
class Layout:
    """The part of a contract that says how to read a file.

    Args:
        organization_id: the organization of the file.
        kind: `invoices`, `payments` or `customers`.
        delimiter: one ASCII character; empty for a workbook.
        customer_id_scheme: `rut` or `external_id`.

    """

    organization_id: str
    kind: str
    delimiter: str
    customer_id_scheme: str


@dataclass(frozen=True)
class Column:
    """A column of a file, and what it is taken for.

    Args:
        column_number: its place in the header, from 1.
        column_name: its name there, printable; empty if it has none.
        field: the field that it is; None for another column.
        attribute_name: the name under which another column's values are kept; None for a field.

    """

    column_number: int
    column_name: str
    field: str | None
    attribute_name: str | None


def describe_columns(
    names: Sequence[str], columns: Mapping[str, int], attributes: Iterable[tuple[str, int]]
) -> tuple[Column, ...]:
    """Say what each column that is kept is taken for, in the order of the file (R12).

    Args:
        names: the column names, empty where a column has none.
        columns: the position of each field.
        attributes: name and position of every other column that is kept.

    """
    fields = {position: field for field, position in columns.items()}
    kept = {position: name for name, position in attributes}
    return tuple(
        Column(
            column_number=position + 1,
            column_name=_printable(names[position])[:LONGEST_ATTRIBUTE_NAME],
            field=fields.get(position),
            attribute_name=_printable(kept[position]) if position in kept else None,
        )
        for position in sorted(fields.keys() | kept.keys())
    )


def map_columns(names: Sequence[str], layout: Layout, aliases: Aliases) -> dict[str, int]:
    """Return the position of each field in a header (R12).

    Args:
        names: the column names, empty where a column has none.
        layout: the organization and kind of the file.
        aliases: the field that each header name means (R11).

    Raises:
        UnreadableError: a required column is missing, or two columns are one field by which a rule
            decides (R16).

    """
    found = find_fields(names, layout, aliases)
    for meaning, positions in found.items():
        if len(positions) > 1:
            raise UnreadableError("doubled_column", _doubled_message(names, meaning, positions))
    missing = [name for name in REQUIRED[layout.kind] if name not in found]
    if missing:
        raise UnreadableError("missing_column", _missing_message(names, layout, missing))
    return {meaning: positions[0] for meaning, positions in found.items()}


def find_fields(
    names: Sequence[str], layout: Layout, aliases: Aliases
) -> dict[str, tuple[int, ...]]:
    """Return the positions of the columns that are each field: more than one is a fault.

    Several columns may mean one field. If one of them does so by the organization's own alias, it
    is the field, and the others are attributes. If a RUT and another customer id are both present,
    the contract's scheme decides which one is the field. All columns for a field by which no rule
    decides are attributes if they are several.

    Args:
        names: the column names, empty where a column has none.
        layout: the organization and kind of the file.
        aliases: the field that each header name means (R11).

    """
    found: dict[str, list[int]] = {}
    own: dict[str, list[int]] = {}
    is_rut = layout.customer_id_scheme == "rut"
    of_scheme: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        meaning = aliases.field(layout.organization_id, layout.kind, name) if name else None
        if meaning == "check_digit" and not is_rut:
            meaning = None  # only a RUT has a check digit
        if meaning is not None:
            found.setdefault(meaning, []).append(position)
            key = (layout.organization_id, layout.kind, normalize_header(name))
            if key in aliases.fields:
                own.setdefault(meaning, []).append(position)
            if meaning == "customer_id" and (key[2] in RUT_HEADERS) == is_rut:
                of_scheme.setdefault(meaning, []).append(position)
    columns: dict[str, tuple[int, ...]] = {}
    for meaning in FIELDS[layout.kind]:
        positions = own.get(meaning) or of_scheme.get(meaning) or found.get(meaning)
        if positions and (len(positions) == 1 or meaning not in _UNDECIDING[layout.kind]):
            columns[meaning] = tuple(positions)
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
        if names[0].startswith(("<", "%PDF")):
            message += " Parece un HTML, XML o PDF, no un CSV."
    return message


def _shown(name: str) -> str:
    """Shorten a header name for a message: one line, printable characters."""
    plain = re.sub(r" +", " ", _printable(name))
    if len(plain) > LONGEST_SHOWN_NAME:
        return plain[: LONGEST_SHOWN_NAME - 1] + "…"
    return plain


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else " " for char in name)


def attributes_of(
    header: Header, records: Records, columns: Mapping[str, int]
) -> tuple[tuple[str, int], ...]:
    """Name every column that is not a field; nameless ones at the end only if they have values."""
    width = len(header.names) if records.has_nameless_values else header.named_width
    return name_attributes(header.names, columns, min(width, records.width))


def name_attributes(
    names: Sequence[str], columns: Mapping[str, int], width: int
) -> tuple[tuple[str, int], ...]:
    """Give each column that is not a field a unique name.

    A nameless column is named after its position (`column_3`). The second of two equal names gets a
    number (`nota_2`).

    Args:
        names: the column names, empty where a column has none.
        columns: the positions of the fields.
        width: number of columns to consider.

    Returns:
        Name and position of each column, sorted by name.

    """
    taken = {name for name in names if name}
    named: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for position, name in enumerate(names[:width]):
        if position in columns.values():
            continue
        base = (name or f"column_{position + 1}")[:LONGEST_ATTRIBUTE_NAME]
        # The numbers up to that of the former column of this name are taken.
        number = numbers.get(name, 1) if name else 1
        unique = base if number == 1 else f"{base}_{number}"
        while unique in named or (unique in taken and unique != name):
            number += 1
            unique = f"{base}_{number}"
        named[unique] = position
        numbers[name] = number
    return tuple(sorted(named.items()))
