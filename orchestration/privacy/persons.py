"""Find persons: every row, line and file with an organization's customers, and reasons not to erase
them now.

The models find the rows: SQL compares the ids as everywhere (R1). Misspelled ids in refused rows
are compared by their reduced spelling. Files that could not be read are searched as bytes.
"""

from __future__ import annotations

import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import duckdb

from orchestration.contracts.organizations import Organization
from orchestration.delivery import outgoing
from orchestration.formats import workbook_files
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.intake import arriving, loading
from orchestration.landing import event_files, manifests
from orchestration.privacy.id_spellings import (
    RUT_DIGITS,
    Persons,
    RefusedError,
    check_digit,
    pattern_of,
    spellings,
)

LONGEST = 256  # characters of an id, and of an attribute
_CHUNK = 1 << 20
_OVERLAP = 4096
# For each kind of file, the staging model and the kept columns that it makes null if they are
# invalid. The text of an invalid column may be anything.
_ROW_MODELS = {
    "invoices": ("stg_intake__invoices", ("due_date", "amount", "is_paid", "is_void", "currency")),
    "payments": (
        "stg_intake__organization_payments",
        ("due_date", "amount", "paid_on", "currency"),
    ),
    manifests.CUSTOMERS: ("stg_intake__customers", ()),
}
# The expression that is null if a kept column is invalid, where it is not the column itself.
_UNREAD = {"currency": "nullif(is_in_contract_currency, false)"}
_EVENT_MODELS = ("stg_events__payment_events", "stg_events__enrollment_events")
# Reasons not to erase a person: the organization still has a claim, or a report is outstanding.
# $is_replaced: the next debts file will list the same persons as the newest.
_REASONS = {
    "has a debt in the base: erase once it is paid, void or withdrawn": """
        select person from {debts} where is_in_base
    """,
    "is listed by the newest debts file: have the next one leave them out, then erase": """
        select person from {debts} where $is_replaced and file_status in ('listed', 'rejected_row')
    """,
    "has a payment in process: erase once it has ended": """
        select person from {payments} where status = 'in_process'
    """,
    "has a payment that no payments file has told yet: run, then erase": """
        select payments.person
        from {payments} as payments
        left join (
            select
                organization_id,
                payment_id,
                debt_id,
                sum(amount) as amount
            from main.payments_file_lines
            where status in ('autorizado', 'reversado')
            group by all
        ) as said using (organization_id, payment_id, debt_id)
        where
            received_amount - reversed_amount <> coalesce(said.amount, 0)
            or (payments.status = 'authorized' and said.amount is null)
    """,
    "is in a file that waits for a decision: `approve` or `refuse` it, then erase": """
        select person
        from {invoices} as invoices
        inner join main.intake_files using (file_id)
        where intake_files.status = 'held'
    """,
    "is in a payments file that has not been delivered: run again, then erase": """
        select person
        from {lines} as lines
        where list_contains($undelivered, cast(lines.business_date as varchar))
    """,
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
def asking(home: Home, persons: Persons) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse, with temporary tables of the persons and of misspelled ids.

    Raises:
        RefusedError: the warehouse is empty.

    """
    with warehouse.connect(home) as connection:
        if not warehouse.is_built(connection):
            raise RefusedError("nothing has been loaded: run, then erase")
        connection.execute("create temp table persons (customer_id varchar)")
        connection.execute("create temp table spellings (spelling varchar, customer_id varchar)")
        spelled = {
            spelling: customer_id
            for customer_id in persons.pseudonyms
            for spelling in spellings(persons.scheme, customer_id)
        }
        for customer_id in persons.pseudonyms:
            connection.execute("insert into temp.persons values (?)", [customer_id])
        for spelling, customer_id in spelled.items():
            connection.execute("insert into temp.spellings values (?, ?)", [spelling, customer_id])
        yield connection


def _rows_of(persons: Persons, table: str, text: str = "customer_id", scheme: str = "") -> str:
    """Return SQL for the persons' rows of a table: with `person`, and `is_exact` for a proper id.

    Args:
        persons: the persons.
        table: a table with organization_id and customer_id.
        text: the column with the id as it is spelled.
        scheme: the column with the id scheme; empty means the current scheme.

    """
    spelled = f"""
        case when {f"source.{scheme}" if scheme else f"'{persons.scheme}'"} = 'rut'
            then ltrim(regexp_replace(upper(source.{text}), '[^0-9K]', '', 'g'), '0')
            else main.normal_id(source.{text})
        end
    """
    return f"""(
        select
            source.*,
            coalesce(exact.customer_id, loose.customer_id) as person,
            exact.customer_id is not null as is_exact
        from {table} as source
        left join temp.persons as exact
            on main.normal_id(source.customer_id) = exact.customer_id
        left join temp.spellings as loose on {spelled} = loose.spelling
        where
            source.organization_id = '{persons.organization_id}'
            and (exact.customer_id is not null or loose.customer_id is not null)
    )"""  # noqa: S608 (names of ours, and an id that contracts allow)


def _files_rows(persons: Persons, model: str) -> str:
    """Return _rows_of for a staging model of files."""
    return _rows_of(persons, f"staging.{model}", "customer_id_text", "customer_id_scheme")


def find(connection: duckdb.DuckDBPyConnection, persons: Persons) -> Found:
    """Find the persons, by receipt or source file and line number."""
    found = Found()
    for model, unread in _ROW_MODELS.values():
        rows = _files_rows(persons, model)
        missing = ", ".join(
            f"case when {_UNREAD.get(name, name)} is null then '{name}' end" for name in unread
        )
        for file_id, line_number, person, is_exact, names in connection.execute(
            f"select file_id, line_number, person, is_exact, [{missing}] from {rows}"  # noqa: S608
        ).fetchall():
            found.rows.setdefault(file_id, {})[line_number] = Row(
                persons.pseudonyms[person] if is_exact else None, [each for each in names if each]
            )
    for model in _EVENT_MODELS:
        rows = _rows_of(persons, f"staging.{model}")
        for load_id, source_file, line_number, person, is_exact in connection.execute(
            f"select load_id, source_file, line_number, person, is_exact from {rows}"  # noqa: S608
        ).fetchall():
            found.events.setdefault((load_id, source_file), {})[line_number] = Row(
                persons.pseudonyms[person] if is_exact else None
            )
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
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    organization: Organization,
    persons: Persons,
    places: Mapping[str, int],
) -> None:
    """Check that nothing is claimed from the persons and no data of them is waiting.

    Raises:
        RefusedError: the first reason against it, with the person's position in the request.

    """
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
    undelivered = [
        file.business_date.isoformat()
        for file in outgoing.read_undelivered(connection)
        if file.organization_id == organization.organization_id and file.is_final
    ]
    sources = {
        "debts": _rows_of(persons, "main.debts"),
        "payments": _rows_of(persons, "main.payments"),
        "lines": _rows_of(persons, "main.payments_file_lines"),
        "invoices": _files_rows(persons, "stg_intake__invoices"),
    }
    values = {
        "is_replaced": organization.update_mode == "replace",
        "undelivered": undelivered,
    }
    for reason, sql in _REASONS.items():
        used = {name: value for name, value in values.items() if f"${name}" in sql}
        for (person,) in connection.execute(sql.format(**sources), used).fetchall():
            raise RefusedError(f"customer {places[person]} {reason}")
    known = set()
    for rows in [_files_rows(persons, model) for model, _ in _ROW_MODELS.values()] + [
        _rows_of(persons, f"staging.{model}") for model in _EVENT_MODELS
    ]:
        known.update(connection.execute(f"select distinct person from {rows}").fetchall())  # noqa: S608
    for person, place in places.items():
        if (person,) not in known:
            raise RefusedError(
                f"customer {place} is not known: look the id up in `customers` or `debts`"
            )


def draw_pseudonyms(connection: duckdb.DuckDBPyConnection, persons: Persons) -> dict[str, str]:
    """Draw an id for each person that nobody has and nobody will get."""
    models = [model for model, _ in _ROW_MODELS.values()] + list(_EVENT_MODELS)
    taken = " union all ".join(f"from staging.{each} select customer_id" for each in models)
    drawn: dict[str, str] = {}
    for customer_id in persons.pseudonyms:
        is_taken = True
        while is_taken:
            pseudonym = _draw_pseudonym(persons.scheme, customer_id)
            is_taken = (
                pseudonym in drawn.values()
                or connection.execute(
                    f"select 1 from ({taken}) where customer_id = ? limit 1",  # noqa: S608
                    [pseudonym],
                ).fetchone()
                is not None
            )
        drawn[customer_id] = pseudonym
    return drawn


def _draw_pseudonym(scheme: str, customer_id: str) -> str:
    if scheme == "rut":
        # No real RUT is in this range: eight digits suffice for all, and longer ones start lower.
        body = str(9 * 10 ** (RUT_DIGITS - 1) + secrets.randbelow(10 ** (RUT_DIGITS - 1)))
        return f"{body}-{check_digit(body)}"
    pseudonym = f"borrado-{secrets.token_hex(8)}"
    # An id that was refused as too long must stay too long.
    return pseudonym.ljust(LONGEST + 1, "x") if len(customer_id) > LONGEST else pseudonym


def may_name(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Return whether an unreadable file names a person, or cannot be searched."""
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
