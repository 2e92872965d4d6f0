"""Erasing persons on request: they are rewritten in the landing area, and the warehouse, which is a
function of it (R9, R10), is built anew.

A customer's id becomes a pseudonym drawn at random, the same in all places and written nowhere
beside the real one; names, mails and attributes become tokens, equal where the texts were equal, so
that the history keeps its versions. Amounts, dates and product ids stay, and so does the balance.

What is to be done is written down first, in a file that only the installation's user may read. It
stays until all is done: a killed erasure is carried through by saying `erase` again (R29), and
until then no run takes anything new. New bytes are added, then the manifests name them, then what
no manifest names is deleted. Nothing here tells whom it erases (R30).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO

import duckdb

from orchestration import (
    delimited,
    delivery,
    landing,
    loading,
    locking,
    payment_events,
    reading,
    runs,
    warehouse,
    workbooks,
)
from orchestration.contracts import Aliases, Organization, read_column_aliases
from orchestration.home import Home
from orchestration.landing import EventRange, LandedFile

# What a row says of its debt; all else in it is of the person.
_KEPT = ("product_id", "due_date", "amount", "is_paid", "is_void", "channel", "paid_on")
# For each kind of file the staging model, and those of the columns kept that are null there when
# they do not hold what they should: then the text may be anything.
_ROW_MODELS = {
    "invoices": ("stg_intake__invoices", ("due_date", "amount", "is_paid", "is_void")),
    "payments": ("stg_intake__organization_payments", ("due_date", "amount", "paid_on")),
    workbooks.KIND: ("stg_intake__customers", ()),
}
_EVENT_MODELS = ("stg_events__payment_events", "stg_events__enrollment_events")
# Why a person cannot be erased: the organization still claims something, or has yet to be told of
# it. $is_replaced: the next debts file will list whom the newest lists.
_REASONS = {
    "has a debt in the base": "select person from {debts} where is_in_base",
    "is listed by the newest debts file: the next one would bring them again": """
        select person from {debts} where $is_replaced and file_status in ('listed', 'rejected_row')
    """,
    "has a payment in process": "select person from {payments} where status = 'in_process'",
    "has a payment that no payments file has told yet": """
        select payments.person
        from {payments} as payments
        left join (
            select
                organization_id,
                payment_id,
                sum(case status when 'autorizado' then 1 when 'reversado' then -1 else 0 end)
                    as authorized_count
            from main.payments_file_lines
            group by all
        ) as said using (organization_id, payment_id)
        where
            case
                when payments.status = 'authorized' then coalesce(authorized_count, 0) = 0
                when payments.status in ('reversed', 'rejected') then authorized_count > 0
            end
    """,
    "is in a file that waits for a decision": """
        select person
        from {invoices} as invoices
        inner join main.intake_files using (file_id)
        where intake_files.status = 'held'
    """,
    "is in a payments file that has not been delivered": """
        select person
        from {lines} as lines
        where list_contains($undelivered, cast(lines.business_date as varchar))
    """,
}
_RUT = re.compile(r" *([0-9][0-9.]{0,11}) ?-? ?([0-9kK]) *")
_CHECK_DIGITS = "0123456789K"
_RUT_DIGITS = 9
_LONGEST = 256  # of an id, and of an attribute
_PRIVATE = 0o600
_CHUNK = 1 << 20
_OVERLAP = 4096


class InvalidCustomerIdError(Exception):
    """What an operator named can be no customer of the organization; the message says which."""


class RefusedError(Exception):
    """A person cannot be erased now; nothing has changed, and the message says why."""


@dataclass(frozen=True)
class Request:
    """What is to be done, as it is kept until it is done.

    Args:
        organization_id: whose customers are erased.
        asked_at: when, in UTC without zone.
        scheme: how the organization names its customers.
        pseudonyms: by customer id.
        balance: a hash of `daily_balance`, which stays.
        is_planned: whether the rest is known; before that nothing changes.
        kept: for a receipt, the hash of its new bytes.
        refused: for a receipt that could not be read, what came of it; its bytes are not kept.
        ranges: for the hash of a range of events, that of its new bytes.
        lines: the hashes of the events that are blanked in the files they came from.
        row_count: rows and lines that are written anew.

    """

    organization_id: str
    asked_at: str
    scheme: str
    pseudonyms: Mapping[str, str]
    balance: str = ""
    is_planned: bool = False
    kept: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    ranges: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()
    row_count: int = 0


@dataclass(frozen=True)
class _Row:
    """A row or line of a person.

    Args:
        pseudonym: whose; None where the id is spelled as no id is, and read as none.
        unread: the columns kept that do not hold what they should.

    """

    pseudonym: str | None = None
    unread: Sequence[str] = ()


@dataclass
class _Found:
    """Where the persons are.

    Args:
        rows: by receipt and line number.
        events: by source file and line number.
        unread: receipts that could not be read, with what came of it.
        refused_lines: the line numbers, by source file, of what is no event.
        record_counts: by receipt.

    """

    rows: dict[str, dict[int, _Row]] = field(default_factory=dict)
    events: dict[str, dict[int, _Row]] = field(default_factory=dict)
    unread: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    refused_lines: dict[str, set[int]] = field(default_factory=dict)
    record_counts: dict[str, int] = field(default_factory=dict)


def erase(
    home: Home, organization: Organization, customer_ids: Sequence[str], say: runs.Say
) -> None:
    """Erase customers of an organization, all of them or none.

    An erasure that was begun before is carried through first.

    Args:
        home: the installation, which the caller holds.
        organization: whose customers they are.
        customer_ids: who, in any spelling (R1).
        say: told what is being done, and of nobody.

    Raises:
        InvalidCustomerIdError: an id can be none of this organization.
        RefusedError: one of them cannot be erased now; nothing has changed.
        RunFailedError: the warehouse could not be built anew. Saying `erase` again carries on.

    """
    scheme = organization.customer_id_scheme
    places: dict[str, int] = {}
    for place, text in enumerate(customer_ids, start=1):
        places.setdefault(_normalise(scheme, text, place), place)
    if is_unfinished(home):
        done = finish(home, say)
        if done.organization_id == organization.organization_id:
            places = {each: place for each, place in places.items() if each not in done.pseudonyms}
        if not places:
            return
    if runs.is_recovery_due(home):
        raise RefusedError("a run has not ended: run again, then erase")
    request = Request(
        organization.organization_id,
        datetime.now(UTC).replace(tzinfo=None).isoformat(),
        scheme,
        dict.fromkeys(places, ""),
    )
    with _asking(home, request) as connection:
        _check(connection, home, organization, request, places)
        request = replace(
            request,
            pseudonyms=_draw_pseudonyms(connection, request),
            balance=_hash_balance(connection),
        )
    _write(home, request)
    finish(home, say)


def is_unfinished(home: Home) -> bool:
    """Whether an erasure was begun and has not ended."""
    return home.erasure.exists()


def finish(home: Home, say: runs.Say) -> Request:
    """Carry through an erasure that was begun, wherever it is (R29).

    Returns:
        What was to be done.

    Raises:
        RefusedError: a file cannot be written anew; nothing has changed.
        RunFailedError: the warehouse could not be built anew. Saying `erase` again carries on.

    """
    request = Request(**json.loads(home.erasure.read_text()))
    if not request.is_planned:
        try:
            request = _plan(home, request)
        except Exception:
            home.erasure.unlink()
            landing.remove_unnamed(home, request.organization_id)
            raise
        _write(home, request)
    _rewrite(home, request)
    say("building the warehouse anew")
    loads = runs.replay(home, lambda _: None)
    with warehouse.connect(home) as connection:
        dates = connection.execute(
            "select distinct business_date from main.payments_file_lines"
            " where organization_id = ? and list_contains(?, customer_id)",
            [request.organization_id, list(request.pseudonyms.values())],
        ).fetchall()
        delivery.renew_copies(connection, home, request.organization_id, [day for (day,) in dates])
        is_balanced = _hash_balance(connection) == request.balance
    _forget_former(home)
    home.erasure.unlink()
    landing.sync_folder(home.root)
    say(
        f"persons of {request.organization_id} erased: {len(request.pseudonyms)};"
        f" rows: {request.row_count}; files:"
        f" {len(request.kept) + len(request.refused) + len(request.ranges)};"
        f" loads replayed: {len(loads)}"
    )
    if not is_balanced:
        say("daily_balance has changed: contracts or code are not those that it was made with")
    return request


def _normalise(scheme: str, text: str, place: int) -> str:
    """A customer id in the form that ids are compared in (R1)."""
    if scheme == "rut":
        match = _RUT.fullmatch(text)
        body = match[1].replace(".", "").lstrip("0") if match else ""
        if (
            match is None
            or not 0 < len(body) <= _RUT_DIGITS
            or _check_digit(body) != match[2].upper()
        ):
            raise InvalidCustomerIdError(f"customer {place} is no RUT")
        return f"{body}-{match[2].upper()}"
    if not text.strip():
        raise InvalidCustomerIdError(f"customer {place} has no id")
    return text.strip()


def _check_digit(body: str) -> str:
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(body)))
    return _CHECK_DIGITS[-total % 11]


def _spellings(scheme: str, customer_id: str) -> list[str]:
    """What is left of the id, where it is spelled as no id is, of letters, digits or blanks.

    Of a RUT: with any check digit, or none unless it is somebody else's RUT then.
    """
    if scheme != "rut":
        return [customer_id]
    body = customer_id[:-2]
    spelled = [body + digit for digit in _CHECK_DIGITS]
    return spelled if _check_digit(body[:-1]) == body[-1] else [*spelled, body]


def _pattern(request: Request) -> re.Pattern[bytes]:
    """What finds the persons in bytes that cannot be read."""
    forms = []
    for customer_id in request.pseudonyms:
        if request.scheme == "rut":
            digits = b"[., ]?".join(digit.encode() for digit in customer_id[:-2])
            forms.append(b"0*" + digits + b"(?:[^0-9A-Za-z]{0,3}[0-9Kk])?")
        else:
            written = {customer_id.encode(), json.dumps(customer_id)[1:-1].encode()}
            written.add(customer_id.encode("cp1252", "ignore"))
            forms += [re.escape(each) for each in written if each]
    return re.compile(b"(?<![0-9A-Za-z])(?:" + b"|".join(forms) + b")(?![0-9A-Za-z])")


@contextmanager
def _asking(home: Home, request: Request) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, with tables of the persons and of the spellings that are no ids.

    Raises:
        RefusedError: it holds nothing.

    """
    with warehouse.connect(home) as connection:
        if not warehouse.is_built(connection):
            raise RefusedError("nothing has been loaded")
        connection.execute("create temp table persons (customer_id varchar)")
        connection.execute("create temp table spellings (spelling varchar, customer_id varchar)")
        spelled = {
            spelling: customer_id
            for customer_id in request.pseudonyms
            for spelling in _spellings(request.scheme, customer_id)
        }
        for customer_id in request.pseudonyms:
            connection.execute("insert into temp.persons values (?)", [customer_id])
        for spelling, customer_id in spelled.items():
            connection.execute("insert into temp.spellings values (?, ?)", [spelling, customer_id])
        yield connection


def _rows_of(request: Request, table: str, text: str = "customer_id", scheme: str = "") -> str:
    """SQL for the persons' rows of a table: with `person`, and `is_exact` for a proper id.

    Args:
        request: who, and whose.
        table: it has organization_id and customer_id.
        text: the column with the id as it is spelled.
        scheme: the column that says how customers are named; as they are now if empty.

    """
    spelled = f"""
        case when {f"source.{scheme}" if scheme else f"'{request.scheme}'"} = 'rut'
            then ltrim(regexp_replace(upper(source.{text}), '[^0-9K]', '', 'g'), '0')
            else regexp_replace(source.{text}, '^\\s+|\\s+$', '', 'g')
        end
    """
    return f"""(
        select
            source.*,
            coalesce(exact.customer_id, loose.customer_id) as person,
            exact.customer_id is not null as is_exact
        from {table} as source
        left join temp.persons as exact on source.customer_id = exact.customer_id
        left join temp.spellings as loose on {spelled} = loose.spelling
        where
            source.organization_id = '{request.organization_id}'
            and (exact.customer_id is not null or loose.customer_id is not null)
    )"""  # noqa: S608 (names of ours, and an id that contracts allow)


def _files_rows(request: Request, model: str) -> str:
    """_rows_of for a staging model of files."""
    return _rows_of(request, f"staging.{model}", "customer_id_text", "customer_id_scheme")


def _find(connection: duckdb.DuckDBPyConnection, request: Request) -> _Found:
    found = _Found()
    for model, unread in _ROW_MODELS.values():
        rows = _files_rows(request, model)
        missing = ", ".join(f"case when {name} is null then '{name}' end" for name in unread)
        for file_id, line_number, person, is_exact, names in connection.execute(
            f"select file_id, line_number, person, is_exact, [{missing}] from {rows}"  # noqa: S608
        ).fetchall():
            found.rows.setdefault(file_id, {})[line_number] = _Row(
                request.pseudonyms[person] if is_exact else None, [each for each in names if each]
            )
    for model in _EVENT_MODELS:
        rows = _rows_of(request, f"staging.{model}")
        for source_file, line_number, person, is_exact in connection.execute(
            f"select source_file, line_number, person, is_exact from {rows}"  # noqa: S608
        ).fetchall():
            found.events.setdefault(source_file, {})[line_number] = _Row(
                request.pseudonyms[person] if is_exact else None
            )
    for source_file, line_number in connection.execute(
        "select source_file, line_number from raw.payment_event_refusals"
    ).fetchall():
        found.refused_lines.setdefault(source_file, set()).add(line_number)
    for file_id, record_count, *came_of_it in connection.execute(
        "select file_id, record_count, file_code, file_message, encoding from raw.intake_files"
        " where organization_id = ? and sha256 <> ''",
        [request.organization_id],
    ).fetchall():
        found.record_counts[file_id] = record_count
        if came_of_it[0] is not None:
            found.unread[file_id] = tuple(came_of_it)
    return found


def _check(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    organization: Organization,
    request: Request,
    places: Mapping[str, int],
) -> None:
    """Make sure that nobody claims anything of the persons, and nothing of them is on its way.

    Raises:
        RefusedError: the first reason against it, with the place of the person among those named.

    """
    if any((home.uploads / organization.organization_id).glob("[!.]*")):
        raise RefusedError("a workbook waits to be loaded: say `load-uploads`, then erase")
    pattern = _pattern(request)
    positions = loading.event_positions(connection)
    for path in home.events.glob("*.jsonl"):
        with path.open("rb") as content:
            content.seek(positions[path.name].byte if path.name in positions else 0)
            if _is_in(content, pattern):
                raise RefusedError("events of a person wait to be loaded: run, then erase")
    undelivered = [
        file.business_date.isoformat()
        for file in delivery.read_undelivered(connection)
        if file.organization_id == organization.organization_id and file.is_final
    ]
    sources = {
        "debts": _rows_of(request, "main.debts"),
        "payments": _rows_of(request, "main.payments"),
        "lines": _rows_of(request, "main.payments_file_lines"),
        "invoices": _files_rows(request, "stg_intake__invoices"),
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
    for rows in [_files_rows(request, model) for model, _ in _ROW_MODELS.values()] + [
        _rows_of(request, f"staging.{model}") for model in _EVENT_MODELS
    ]:
        known.update(connection.execute(f"select distinct person from {rows}").fetchall())  # noqa: S608
    for person, place in places.items():
        if (person,) not in known:
            raise RefusedError(f"customer {place} is not known")


def _draw_pseudonyms(connection: duckdb.DuckDBPyConnection, request: Request) -> dict[str, str]:
    """An id for each person that nobody has and nobody is ever given."""
    models = [model for model, _ in _ROW_MODELS.values()] + list(_EVENT_MODELS)
    taken = " union all ".join(f"from staging.{each} select customer_id" for each in models)
    drawn: dict[str, str] = {}
    for customer_id in request.pseudonyms:
        is_taken = True
        while is_taken:
            pseudonym = _draw_pseudonym(request.scheme, customer_id)
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
        # No RUT is there: eight digits are enough for all, and the longer ones begin lower.
        body = str(9 * 10 ** (_RUT_DIGITS - 1) + secrets.randbelow(10 ** (_RUT_DIGITS - 1)))
        return f"{body}-{_check_digit(body)}"
    pseudonym = f"borrado-{secrets.token_hex(8)}"
    # What was refused as too long stays so.
    return pseudonym.ljust(_LONGEST + 1, "x") if len(customer_id) > _LONGEST else pseudonym


class _Tokens:
    """What takes the place of texts: the same for equal texts, and nothing leads back.

    The key is of one plan and kept nowhere.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, text: str) -> str:
        """The token of a text; one that is too long for an attribute has one that is."""
        token = f"borrado-{hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:16]}"
        return token.ljust(_LONGEST + 1, "x") if len(text) > _LONGEST else token

    def change_cells(
        self, row: _Row, fields: Mapping[int, str], cells: Sequence[str]
    ) -> Sequence[str]:
        """The new cells of a record, by the fields that its columns are."""
        return [
            self.change_text(row, fields.get(position), cell) if cell.strip() else cell
            for position, cell in enumerate(cells)
        ]

    def change_text(self, row: _Row, name: str | None, text: str) -> str:
        """The new text of a field, or of an attribute, which has no name here."""
        if name == "customer_id":
            return row.pseudonym or self.of(text)
        return text if name in _KEPT and name not in row.unread else self.of(text)


def _plan(home: Home, request: Request) -> Request:
    """Write the new bytes beside the former, which the manifests still name.

    Raises:
        RefusedError: a file cannot be written anew.

    """
    with _asking(home, request) as connection:
        found = _find(connection, request)
    tokens, pattern = _Tokens(), _pattern(request)
    kept: dict[str, str] = {}
    refused: dict[str, tuple[str | None, ...]] = {}
    ranges: dict[str, str] = {}
    lines: set[str] = set()
    for manifest in landing.read_manifests(home):
        aliases = read_column_aliases(landing.contracts_path(home, manifest.contracts))
        for file in manifest.files:
            if file.organization_id != request.organization_id or not file.stored_sha256:
                continue
            if file.file_id in found.rows:
                kept[file.file_id] = _write_file(home, file, found, aliases, tokens)
            elif file.file_id in found.unread and _may_name(_stored(home, file), pattern):
                refused[file.file_id] = found.unread[file.file_id]
        for event_range in manifest.events:
            former = _write_range(home, event_range, found, request, tokens, ranges)
            lines.update(hashlib.sha256(line.rstrip(b"\r\n")).hexdigest() for line in former)
    return replace(
        request,
        is_planned=True,
        kept=kept,
        refused=refused,
        ranges=ranges,
        lines=sorted(lines),
        row_count=sum(map(len, found.rows.values())) + len(lines),
    )


def _write_file(
    home: Home, file: LandedFile, found: _Found, aliases: Aliases, tokens: _Tokens
) -> str:
    """Write a file anew without the persons; the hash of its new bytes.

    Raises:
        RefusedError: it would not be read as it was.

    """
    write = _write_workbook if file.kind == workbooks.KIND else _write_text
    try:
        return write(home, file, found, aliases, tokens)
    except (delimited.UnreadableError, LookupError, ValueError) as error:
        raise RefusedError(
            f"file {file.file_id} cannot be written anew: {type(error).__name__}"
        ) from None


def _write_text(
    home: Home, file: LandedFile, found: _Found, aliases: Aliases, tokens: _Tokens
) -> str:
    path = _stored(home, file)
    layout = reading.Layout(
        file.organization_id, file.kind, file.delimiter, file.customer_id_scheme
    )
    encoding = delimited.find_encoding(path)
    header = delimited.read_header(path, encoding, file.delimiter)
    columns = reading.map_columns(header.names, layout, aliases)
    fields = {position: name for name, position in columns.items()}
    changes = {
        line: partial(tokens.change_cells, row, fields)
        for line, row in found.rows[file.file_id].items()
    }

    def write(target: IO[bytes]) -> None:
        delimited.write_anew(path, encoding, file.delimiter, header, changes, target)

    sha256 = landing.keep_anew(home, file.organization_id, write)
    written = landing.file_path(home, file.organization_id, sha256)
    with reading.read(written, layout, aliases, home.scratch) as again:
        if again.code is not None or again.record_count != found.record_counts[file.file_id]:
            raise ValueError(file.file_id)
    return sha256


def _write_workbook(
    home: Home, file: LandedFile, found: _Found, aliases: Aliases, tokens: _Tokens
) -> str:
    path = _stored(home, file)
    rows = found.rows[file.file_id]
    contract = (file.organization_id, file.customer_id_scheme, aliases)
    changes = {number: partial(tokens.change_text, row) for number, row in rows.items()}

    def write(target: IO[bytes]) -> None:
        workbooks.write_anew(path, *contract, changes, target)

    sha256 = landing.keep_anew(home, file.organization_id, write)
    written = landing.file_path(home, file.organization_id, sha256)
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


def _write_range(
    home: Home,
    event_range: EventRange,
    found: _Found,
    request: Request,
    tokens: _Tokens,
    ranges: dict[str, str],
) -> list[bytes]:
    """Write a range of events anew, if persons are in it, and note its new hash in `ranges`.

    Returns:
        The lines of the persons, as they were.

    """
    persons = found.events.get(event_range.source_file, {})
    refused = found.refused_lines.get(event_range.source_file, set())
    if event_range.code is not None or not (persons or refused):
        return []
    path = landing.events_path(home, event_range.sha256)
    pattern = _pattern(request)
    changes: dict[int, _Row] = {}
    former: list[bytes] = []
    with path.open("rb") as content:
        for number, line in enumerate(content, start=event_range.lines_before + 1):
            row = persons.get(number)
            if row is None and number in refused and pattern.search(line):
                whose = payment_events.organization_of(line)
                row = _Row(unread=_KEPT) if whose in (None, request.organization_id) else None
            if row is not None:
                changes[number] = row
                former.append(line)

    def write(target: IO[bytes]) -> None:
        with path.open("rb") as content:
            for number, line in enumerate(content, start=event_range.lines_before + 1):
                if number in changes:
                    change = partial(tokens.change_text, changes[number])
                    target.write(payment_events.write_anew(line, change))
                else:
                    target.write(line)

    if changes:
        ranges[event_range.sha256] = landing.keep_anew(home, landing.EVENTS, write)
    return former


def _rewrite(home: Home, request: Request) -> None:
    """Have the manifests name the new bytes, and delete the former: again changes nothing."""
    for manifest in landing.read_manifests(home):
        written = replace(
            manifest,
            files=tuple(_as_kept(file, request) for file in manifest.files),
            events=tuple(
                replace(each, sha256=request.ranges.get(each.sha256, each.sha256))
                for each in manifest.events
            ),
        )
        if written != manifest:
            landing.write_manifest(home, written)
    for path in home.events.glob("*.jsonl"):
        _blank(path, set(request.lines))
    landing.write_erasure(
        home,
        re.sub("[^0-9]", "", request.asked_at),
        {
            "erased_at": request.asked_at,
            "organization_id": request.organization_id,
            "persons": len(request.pseudonyms),
            "receipts_kept_as": {**request.kept, **dict.fromkeys(request.refused, "")},
            "events_kept_as": request.ranges,
        },
    )
    landing.sweep(home)
    landing.remove_unnamed(home, request.organization_id)


def _as_kept(file: LandedFile, request: Request) -> LandedFile:
    if file.file_id in request.kept:
        return replace(file, kept_sha256=request.kept[file.file_id])
    if file.file_id in request.refused:
        code, message, encoding = request.refused[file.file_id]
        return replace(
            file, kept_sha256="", file_code=code, file_message=message, encoding=encoding
        )
    return file


def _blank(path: Path, lines: set[str]) -> None:
    """Write blanks over lines of a file of events, which others may be adding to.

    What has been loaded is never read there again, so that only its length counts.
    """
    blanks = []
    with path.open("rb") as content:
        at = 0
        for line in content:
            text = line.rstrip(b"\r\n")
            if hashlib.sha256(text).hexdigest() in lines:
                blanks.append((at, len(text)))
            at += len(line)
    if not blanks:
        return
    times = path.stat()
    with path.open("rb+", buffering=0) as content:
        for at, length in blanks:
            content.seek(at)
            content.write(b" " * length)
        os.fsync(content.fileno())
    # Whoever mirrors the file by its time need not send it again.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _forget_former(home: Home) -> None:
    """Delete the former warehouse, and what previews and killed processes left."""
    for path in home.root.glob(f"{home.set_aside.name}*"):
        path.unlink()
    for path in home.uploads.glob("*/.*.gone"):
        shutil.rmtree(path)
    for path in home.scratch.glob("*"):
        if path.name == "preview":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    preview = Home(home.scratch / "preview", home.seeds)
    if preview.root.exists():
        with locking.exclusive(preview):
            for path in preview.root.glob("warehouse.duckdb*"):
                path.unlink()
            shutil.rmtree(preview.landing, ignore_errors=True)


def _stored(home: Home, file: LandedFile) -> Path:
    return landing.file_path(home, file.organization_id, file.stored_sha256)


def _may_name(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Whether a file that could not be read names a person, or cannot be searched for one."""
    with path.open("rb") as content:
        if workbooks.is_protected(content):
            return True
        content.seek(0)
        if _is_in(content, pattern):
            return True
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if sum(each.file_size for each in parts) > workbooks.LARGEST_CONTENT_BYTES:
                return True
            for each in parts:
                with archive.open(each) as part:
                    if _is_in(part, pattern):
                        return True
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, zlib.error):
        return True
    return False


def _is_in(content: IO[bytes], pattern: re.Pattern[bytes]) -> bool:
    """Whether a text of any encoding, from where it is open, names a person."""
    former = b""
    while chunk := content.read(_CHUNK):
        # Without its zeros, UTF-16 is searched like any other.
        text = former + chunk.replace(b"\0", b"")
        if pattern.search(text):
            return True
        former = text[-_OVERLAP:]
    return False


def _hash_balance(connection: duckdb.DuckDBPyConnection) -> str:
    rows = connection.execute("select * from main.daily_balance order by all").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _write(home: Home, request: Request) -> None:
    content = json.dumps(asdict(request), indent=1)
    landing.write_whole(home.erasure, content.encode(), _PRIVATE)
