"""Find persons: every row, line and file with an organization's customers, and reasons not to erase
them now.

The models find the rows and the reasons: SQL compares the ids as everywhere (R1). Misspelled ids in
refused rows are compared by their reduced spelling. Files that could not be read, and what is not
read of a workbook, are searched as bytes.
"""

from __future__ import annotations

import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from orchestration.contracts.organizations import Organization
from orchestration.formats import workbook_files
from orchestration.installation import kept_tables, warehouse
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import arriving, loading, rebuilding
from orchestration.landing import event_files
from orchestration.privacy.id_spellings import (
    CHECK_DIGITS,
    RUT_DIGITS,
    Persons,
    RefusedError,
    had_scheme,
    pattern_of,
    spellings,
    valid_rut,
)

LONGEST = 256  # characters of an id, and of an attribute
ERASED = "borrado-"  # what tokens, and ids of an organization's own, begin with
_CHUNK = 1 << 20
_OVERLAP = 4096
_OF_PERSONS = """
    organization_id = $organization_id
    and (list_contains($customer_ids, customer_id) or list_contains($spellings, loose_id))
"""
_NAMED = f"""
select file_id, load_id, source_file, line_number, customer_id, loose_id, unread
from intermediate.int_customers__named
where {_OF_PERSONS}
"""  # noqa: S608 (a condition of ours)
_CLAIMED = f"""
select customer_id, loose_id, reason
from intermediate.int_customers__claimed
where {_OF_PERSONS}
"""  # noqa: S608 (a condition of ours)
# Reasons not to erase a person, by their code in the model; the first one is reported.
_REASONS = {
    "in_base": "has a debt in the base: erase once it is paid, void or withdrawn",
    "listed": "is listed by the newest debts file: have the next one leave them out, then erase",
    "in_process": "has a payment in process: erase once it has ended",
    "untold": "has a payment that no payments file has told yet: run, then erase",
    "held": "is in a file that waits for a decision: `approve` or `refuse` it, then erase",
    "undelivered": "is in a payments file that has not been delivered: run again, then erase",
}


@dataclass(frozen=True)
class Row:
    """A row or line of a person.

    Args:
        pseudonym: the person's pseudonym; None if the id is misspelled and is not read as an id.
        unread: the kept columns that are invalid.

    """

    pseudonym: str | None = None
    unread: Sequence[str] = ()


@dataclass
class Found:
    """Where the persons were found.

    Args:
        rows: by receipt and line number.
        events: by load and source file, and line number.
        unread: receipts that could not be read, with the result.
        refused_lines: the line numbers of refused lines, by load and source file.
        record_counts: by receipt.

    """

    rows: dict[str, dict[int, Row]] = field(default_factory=dict)
    events: dict[tuple[int, str], dict[int, Row]] = field(default_factory=dict)
    unread: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    refused_lines: dict[tuple[int, str], set[int]] = field(default_factory=dict)
    record_counts: dict[str, int] = field(default_factory=dict)


@contextmanager
def asking(home: Home, say: Say) -> Iterator[Connection]:
    """Open the warehouse to ask for persons.

    Args:
        home: the installation.
        say: called with a sentence for each file of rows that was damaged and is made anew.

    Raises:
        DamagedError: the marts are not those of the warehouse, or rows are damaged, and the file
            that they came in as well.
        OlderWarehouseError: another version of Saldo made the warehouse.
        RefusedError: the warehouse is empty.

    """
    with warehouse.connect(home) as connection:
        kept_tables.check(connection)
        if not warehouse.is_built(connection):
            raise RefusedError("nothing has been loaded: run, then erase")
        rebuilding.require_all(connection, home, say)
        yield connection


class _Asked:
    """Persons in a query: by their ids, and by reduced spellings."""

    def __init__(self, connection: Connection, persons: Persons) -> None:
        self._connection = connection
        self._persons = persons
        self._spelled = {
            spelling: customer_id
            for customer_id in persons.pseudonyms
            for spelling in spellings(connection, persons, customer_id)
        }

    def read(self, sql: str) -> list[dict[str, Any]]:
        """Read the rows of a query with _OF_PERSONS."""
        parameters = {
            "organization_id": self._persons.organization_id,
            "customer_ids": list(self._persons.pseudonyms),
            "spellings": list(self._spelled),
        }
        return warehouse.read_rows(self._connection, sql, parameters)

    def is_exact(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has a person's proper id."""
        return row["customer_id"] in self._persons.pseudonyms

    def whose(self, row: Mapping[str, Any]) -> str:
        """Return the customer id of the person whose row it is."""
        if self.is_exact(row):
            return str(row["customer_id"])
        return self._spelled[row["loose_id"]]


def find(connection: Connection, persons: Persons) -> Found:
    """Find the persons, by receipt or source file and line number."""
    found = Found()
    asked = _Asked(connection, persons)
    for named in asked.read(_NAMED):
        pseudonym = persons.pseudonyms[named["customer_id"]] if asked.is_exact(named) else None
        row = Row(pseudonym, (named["unread"] or "").split())
        if named["file_id"] is not None:
            found.rows.setdefault(named["file_id"], {})[named["line_number"]] = row
        else:
            key = (named["load_id"], named["source_file"])
            found.events.setdefault(key, {})[named["line_number"]] = row
    for load_id, source_file, line_number in connection.execute(
        "select load_id, source_file, line_number from raw.payment_event_refusals"
    ).fetchall():
        found.refused_lines.setdefault((load_id, source_file), set()).add(line_number)
    for file_id, record_count, *came_of_it in connection.execute(
        "select file_id, record_count, file_code, file_message, encoding from raw.intake_files"
        " where organization_id = ? and sha256 <> ''",
        [persons.organization_id],
    ).fetchall():
        found.record_counts[file_id] = record_count
        if came_of_it[0] is not None:
            found.unread[file_id] = tuple(came_of_it)
    return found


def check(
    connection: Connection,
    home: Home,
    organization: Organization,
    persons: Persons,
    places: Mapping[str, int],
) -> None:
    """Check that nothing is claimed from the persons and no data of them is waiting.

    Raises:
        RefusedError: the first reason against it, with the person's position in the request.

    """
    _check_scheme(connection, organization)
    if any((home.uploads / organization.organization_id).glob("[!.]*")):
        raise RefusedError("a workbook waits to be loaded: say `load-uploads`, then erase")
    if arriving.find_whole(home, organization.organization_id):
        raise RefusedError(
            "a received file waits to be loaded: run for the date in its name, then erase"
        )
    pattern = pattern_of(persons)
    positions = loading.event_positions(connection)
    for path, content in event_files.read_all(home):
        content.seek(event_files.find_unread(content, positions.get(path.name)))
        if _is_in(content, pattern):
            raise RefusedError("events of a person wait to be loaded: run, then erase")
    asked = _Asked(connection, persons)
    claims = asked.read(_CLAIMED)
    for reason, told in _REASONS.items():
        for claim in claims:
            if claim["reason"] == reason:
                raise RefusedError(f"customer {places[asked.whose(claim)]} {told}")
    for customer_id, place in places.items():
        if _was_a_rut(connection, persons, customer_id):
            raise RefusedError(
                f"customer {place} is also named by a RUT, from when the organization had the"
                " customer_id_scheme `rut`: give it that scheme again and run, then erase"
            )
    known = {places[asked.whose(row)] for row in asked.read(_NAMED)}
    for place in places.values():
        if place not in known:
            raise RefusedError(
                f"customer {place} is not known: look the id up in `customers` or `debts`"
            )


def _check_scheme(connection: Connection, organization: Organization) -> None:
    """Check that the last build had this organization with the id scheme of its contract.

    Raises:
        RefusedError: it had not: the models compare misspelled ids by the scheme.

    """
    schemes = connection.execute(
        "select customer_id_scheme from main.organizations where organization_id = ?",
        [organization.organization_id],
    ).fetchall()
    if not schemes:
        raise RefusedError(
            f"the warehouse was built without a contract of {organization.organization_id}:"
            " `replay`, then erase"
        )
    if schemes != [(organization.customer_id_scheme,)]:
        raise RefusedError(
            f"the contract of {organization.organization_id} has another customer_id_scheme than"
            " the warehouse: run, then erase"
        )


def _was_a_rut(connection: Connection, persons: Persons, customer_id: str) -> bool:
    """Whether an organization that has no RUTs now has rows of a customer from when it had."""
    rut = valid_rut(connection, customer_id)
    if persons.scheme == "rut" or rut is None:
        return False
    spelled = spellings(connection, replace(persons, scheme="rut"), rut)
    return had_scheme(connection, persons.organization_id, "rut") and bool(
        connection.execute(
            "select 1 from intermediate.int_customers__named where organization_id = ?"
            " and (customer_id = ? or list_contains(?, loose_id)) limit 1",
            [persons.organization_id, rut, spelled],
        ).fetchone()
    )


def draw_pseudonyms(connection: Connection, persons: Persons) -> dict[str, str]:
    """Draw an id for each person that nobody has and nobody will get.

    A RUT as it was written before the scheme was `rut` becomes another spelling of the new RUT.
    """
    drawn: dict[str, str] = {}
    for customer_id in persons.pseudonyms:
        rut = valid_rut(connection, customer_id)
        if customer_id in persons.former and rut in drawn:
            spelled = sum(each.lstrip("0") == drawn[rut] for each in drawn.values())
            drawn[customer_id] = "0" * spelled + drawn[rut]
            continue
        is_taken = True
        while is_taken:
            pseudonym = _draw_pseudonym(connection, persons, customer_id)
            is_taken = (
                pseudonym in drawn.values()
                or connection.execute(
                    "select 1 from intermediate.int_customers__named where customer_id = ? limit 1",
                    [pseudonym],
                ).fetchone()
                is not None
            )
        drawn[customer_id] = pseudonym
    return drawn


def _draw_pseudonym(connection: Connection, persons: Persons, customer_id: str) -> str:
    if persons.is_rut(customer_id):
        # No real RUT is in this range: eight digits suffice for all, and longer ones start lower.
        body = str(9 * 10 ** (RUT_DIGITS - 1) + secrets.randbelow(10 ** (RUT_DIGITS - 1)))
        ruts = (f"{body}-{digit}" for digit in CHECK_DIGITS)
        return next(rut for rut in ruts if valid_rut(connection, rut))
    pseudonym = f"{ERASED}{secrets.token_hex(8)}"
    # An id that was refused as too long must stay too long.
    return pseudonym.ljust(LONGEST + 1, "x") if len(customer_id) > LONGEST else pseudonym


def may_name(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Return whether what is not read of a file names a person, or cannot be searched."""
    with path.open("rb") as content:
        if workbook_files.is_protected(content):
            return True
        content.seek(0)
        if _is_in(content, pattern):
            return True
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if sum(each.file_size for each in parts) > workbook_files.LARGEST_CONTENT_BYTES:
                return True
            for each in parts:
                with archive.open(each) as part:
                    if _is_in(part, pattern):
                        return True
    # zipfile raises these for archives that are damaged, encrypted, truncated, or use an unknown
    # compression.
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error):
        return True
    return False


def _is_in(content: IO[bytes], pattern: re.Pattern[bytes]) -> bool:
    """Return whether a text in any encoding, from its current position, names a person."""
    former = b""
    while chunk := content.read(_CHUNK):
        # Without its zero bytes, UTF-16 is searched like other encodings.
        text = former + chunk.replace(b"\0", b"")
        if pattern.search(text):
            return True
        former = text[-_OVERLAP:]
    return False
