"""Rewrite a person's rows: the id becomes a pseudonym, all other personal data a token.

Reading the new bytes must give the same rows as before, except for the persons. This is checked
before a manifest names the new bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import IO

from orchestration.contracts.organizations import Aliases
from orchestration.formats import (
    delimited,
    encodings,
    event_lines,
    file_columns,
    rewriting,
    text_files,
    workbooks,
)
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import EventRange, LandedFile
from orchestration.privacy.id_spellings import Persons, RefusedError, pattern_of
from orchestration.privacy.persons import ERASED, LONGEST, Found, Row

# The fields about the debt; all others are personal data.
_KEPT = (
    "product_id",
    "due_date",
    "amount",
    "is_paid",
    "is_void",
    "channel",
    "paid_on",
    "currency",
)


class Tokens:
    """Replaces texts by tokens: equal for equal texts, and irreversible.

    The key belongs to one plan and is not stored.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, text: str) -> str:
        """Return the token of a text; a text too long for an attribute gets a token that is too
        long.
        """
        token = f"{ERASED}{hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:16]}"
        return token.ljust(LONGEST + 1, "x") if len(text) > LONGEST else token

    def change_cells(
        self, row: Row, fields: Mapping[int, str], cells: Sequence[str]
    ) -> Sequence[str]:
        """Return the new cells of a record, given the field of each column."""
        return [
            self.change_text(row, fields.get(position), cell) if cell.strip() else cell
            for position, cell in enumerate(cells)
        ]

    def change_text(self, row: Row, name: str | None, text: str) -> str:
        """Return the new text of a field, or of an attribute (name None)."""
        if name == "customer_id":
            return row.pseudonym or self.of(text)
        if name == "check_digit" and row.pseudonym:
            return row.pseudonym[-1]
        return text if name in _KEPT and name not in row.unread else self.of(text)


def write_file(home: Home, file: LandedFile, found: Found, aliases: Aliases, tokens: Tokens) -> str:
    """Rewrite a file without the persons; return the hash of its new bytes.

    Of a workbook in which no row is theirs, what is not read is dropped.

    Raises:
        RefusedError: it would be read differently.

    """
    write = _write_workbook if file.kind == manifests.CUSTOMERS else _write_text
    try:
        return write(home, file, found, aliases, tokens)
    except (encodings.UnreadableError, LookupError, ValueError) as error:
        raise RefusedError(
            f"file {file.file_id} cannot be written anew ({type(error).__name__}): `verify` says"
            " whether it is damaged"
        ) from None


def _write_text(
    home: Home, file: LandedFile, found: Found, aliases: Aliases, tokens: Tokens
) -> str:
    path = store.stored_path(home, file)
    layout = file_columns.Layout(
        file.organization_id, file.kind, file.delimiter, file.customer_id_scheme
    )
    encoding = encodings.find_encoding(path)
    header = delimited.read_header(path, encoding, file.delimiter)
    columns = file_columns.map_columns(header.names, layout, aliases)
    fields = {position: name for name, position in columns.items()}
    changes = {
        line: partial(tokens.change_cells, row, fields)
        for line, row in found.rows[file.file_id].items()
    }

    def write(target: IO[bytes]) -> None:
        rewriting.write_anew(path, encoding, file.delimiter, header, changes, target)

    sha256 = store.keep_anew(home, file.organization_id, write)
    written = store.file_path(home, file.organization_id, sha256)
    with text_files.read(written, layout, aliases, home.scratch) as again:
        if again.code is not None or again.record_count != found.record_counts[file.file_id]:
            raise ValueError(file.file_id)
    return sha256


def _write_workbook(
    home: Home, file: LandedFile, found: Found, aliases: Aliases, tokens: Tokens
) -> str:
    path = store.stored_path(home, file)
    rows = found.rows.get(file.file_id, {})
    contract = (file.organization_id, file.customer_id_scheme, aliases)
    changes = {number: partial(tokens.change_text, row) for number, row in rows.items()}

    def write(target: IO[bytes]) -> None:
        workbooks.write_anew(path, *contract, changes, target)

    sha256 = store.keep_anew(home, file.organization_id, write)
    written = store.file_path(home, file.organization_id, sha256)
    with (
        workbooks.read(path, *contract) as former,
        workbooks.read(written, *contract) as again,
    ):
        for old, new in zip_longest(former.rows(), again.rows()):
            if old is None or new is None or old.row_number != new.row_number:
                raise ValueError(file.file_id)
            if old != new if old.row_number not in rows else old.cell_code != new.cell_code:
                raise ValueError(file.file_id)
    return sha256


def write_range(
    home: Home,
    load_id: int,
    event_range: EventRange,
    found: Found,
    erased: Persons,
    tokens: Tokens,
    ranges: dict[str, str],
) -> list[bytes]:
    """Rewrite a range of events if persons are in it, and add its new hash to `ranges`.

    Returns:
        The original lines of the persons.

    """
    place = load_id, event_range.source_file
    persons = found.events.get(place, {})
    refused = found.refused_lines.get(place, set())
    if event_range.code is not None or not (persons or refused):
        return []
    path = store.events_path(home, event_range.sha256)
    pattern = pattern_of(erased)
    changes: dict[int, Row] = {}
    former: list[bytes] = []
    with path.open("rb") as content:
        for number, line in enumerate(content, start=event_range.lines_before + 1):
            row = persons.get(number)
            if row is None and number in refused and pattern.search(line):
                whose = event_lines.organization_of(line)
                row = Row(unread=_KEPT) if whose in (None, erased.organization_id) else None
            if row is not None:
                changes[number] = row
                former.append(line)

    def write(target: IO[bytes]) -> None:
        with path.open("rb") as content:
            for number, line in enumerate(content, start=event_range.lines_before + 1):
                if number in changes:
                    change = partial(tokens.change_text, changes[number])
                    target.write(event_lines.write_anew(line, change))
                else:
                    target.write(line)

    if changes:
        ranges[event_range.sha256] = store.keep_anew(home, manifests.EVENTS, write)
    return former
