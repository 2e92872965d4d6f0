"""The contracts as data (R11): read and check the files in SALDO_SEEDS.

All problems of the contracts are reported at once: one line each, with row, column, value and
allowed values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from orchestration.contracts import code_lists, event_words
from orchestration.contracts.currencies import CURRENCIES
from orchestration.contracts.event_words import EVENT_WORD_FILES
from orchestration.contracts.file_names import CUSTOMERS_PATTERN, takes_names
from orchestration.contracts.folders import Account, Folder, find_shared
from orchestration.contracts.tables import (
    ADDED,
    FILLED,
    find_nulls,
    matching,
    one_of,
    parse_port,
    parse_share,
    parse_time,
    problem,
    raise_for,
    read_rows,
)

# Where business dates begin, for runs that are of all organizations, and the first of them.
TIME_ZONE = ZoneInfo("America/Santiago")
FIRST_DATE = date(2024, 1, 1)
ORGANIZATIONS = "organizations.csv"
DEFAULTS = "organization_defaults.csv"
COLUMN_ALIASES = "column_aliases.csv"
CONTRACT_FILES = (ORGANIZATIONS, DEFAULTS, COLUMN_ALIASES, *EVENT_WORD_FILES)

# The fields of each kind of file, and the columns that are required (R12, R26).
FIELDS: Mapping[str, tuple[str, ...]] = {
    "invoices": (
        "customer_id",
        "product_id",
        "due_date",
        "amount",
        "is_paid",
        "is_void",
        "name",
        "mail",
        "currency",
        "check_digit",
    ),
    "payments": (
        "customer_id",
        "product_id",
        "due_date",
        "amount",
        "channel",
        "paid_on",
        "currency",
        "check_digit",
    ),
    "customers": ("customer_id", "name", "mail", "check_digit"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "invoices": ("customer_id", "product_id", "due_date", "amount"),
    "payments": ("customer_id", "product_id", "due_date"),
    "customers": ("customer_id", "name"),
}
CUSTOMER_ID_SCHEMES = ("rut", "external_id")
# The header names for the customer that name a RUT and no other id.
RUT_HEADERS = ("rut", "rut_cliente", "rut_del_cliente", "government_id")
UPDATE_MODES = ("replace", "upsert")
PAYMENT_FLOWS = ("instant", "in_process")
DECIMAL_SEPARATORS = (".", ",")
DELIMITERS: Mapping[str, str] = {",": ",", ";": ";", "|": "|", "tab": "\t"}
# The columns of organization_defaults.csv: optional in organizations.csv.
DEFAULTED = (
    "currency",
    "time_zone",
    "cutoff_time",
    "sftp_port",
    "inbox_dir",
    "outbox_dir",
    "invoices_pattern",
    "payments_pattern",
    "delimiter",
    "decimal_separator",
    "date_format",
    "max_withdrawal_share",
    "max_rejected_share",
    "quiet_seconds",
)
_DAY_SECONDS = 86_400
DATE_FORMATS = ("YYYY-MM-DD", "DD-MM-YYYY", "DD/MM/YYYY", "YYYYMMDD")


@dataclass(frozen=True)
class Organization:
    """The contract of one organization: a row of organizations.csv with its defaults filled in.

    `cutoff_time` is in `time_zone`. The shares are fractions of one. `delimiter` is the character.
    `quiet_seconds` is how long a file must stay unchanged before it counts (R13).
    """

    organization_id: str
    name: str
    country: str
    customer_id_scheme: str
    update_mode: str
    payment_flow: str
    currency: str
    time_zone: ZoneInfo
    cutoff_time: time
    sftp_host: str
    sftp_port: int
    sftp_username: str
    inbox_dir: str
    outbox_dir: str
    invoices_pattern: str
    payments_pattern: str
    delimiter: str
    decimal_separator: str
    date_format: str
    max_withdrawal_share: Decimal
    max_rejected_share: Decimal
    quiet_seconds: int = 60

    @property
    def patterns(self) -> dict[str, str]:
        """The file-name pattern of each kind of intake file."""
        return {
            "invoices": self.invoices_pattern,
            "payments": self.payments_pattern,
            "customers": CUSTOMERS_PATTERN,
        }

    @property
    def folders(self) -> tuple[Folder, Folder]:
        """The inbox and the outbox, at the paths in the contract."""
        host = self.sftp_host.lower().rstrip(".")
        account = Account(host, self.sftp_port, self.sftp_username)
        inbox, outbox = self.inbox_dir, self.outbox_dir
        return (
            Folder(account, self.organization_id, "inbox_dir", inbox, inbox),
            Folder(account, self.organization_id, "outbox_dir", outbox, outbox),
        )


@dataclass(frozen=True)
class Aliases:
    """The field that each header name means, in general and for single organizations (R11)."""

    fields: Mapping[tuple[str, str, str], str]

    def field(self, organization_id: str, file_kind: str, header: str) -> str | None:
        """Return the field that a header name means in a file of this kind, or None for an
        attribute.

        Args:
            organization_id: the organization of the file; its own aliases come first.
            file_kind: `invoices`, `payments` or `customers`.
            header: the name as in the file.

        """
        name = normalize_header(header)
        own = self.fields.get((organization_id, file_kind, name))
        return own or self.fields.get(("", file_kind, name))


def normalize_header(text: str) -> str:
    """Normalize a header name: lower case, without accents and punctuation.

    `Fecha de Vencimiento` and `fecha_de_vencimiento` become the same.
    """
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(char for char in plain if not unicodedata.combining(char)).lower()
    return re.sub(r"[^a-z0-9]+", "_", letters).strip("_")


def read_contracts(seeds: Path) -> list[Organization]:
    """Read and check all contract files, and return the organizations (R11).

    Args:
        seeds: the folder of the CONTRACT_FILES.

    Raises:
        ContractError: a file is wrong by itself, or contradicts another.

    """
    code_lists.check(seeds)
    read_column_aliases(seeds)
    event_words.read_event_words(seeds)
    organizations = read_organizations(seeds)
    named = read_rows(seeds / ORGANIZATIONS, tuple(_PARSERS), [])
    lines = {row["organization_id"].strip(): line for line, row in named}
    raise_for(
        [
            *_find_shared_folders(lines, organizations),
            *_find_shared_names(lines, organizations),
            *event_words.find_contradictions(seeds),
            *chain.from_iterable(find_nulls(seeds / name) for name in CONTRACT_FILES),
        ]
    )
    return organizations


def read_organizations(seeds: Path) -> list[Organization]:
    """Read organizations.csv; an empty cell takes the value in organization_defaults.csv (R11).

    Args:
        seeds: the folder of both files.

    Raises:
        ContractError: a file or column is missing, or a value is not allowed. Lists all problems.

    """
    problems: list[str] = []
    given, defaults = _read_defaults(seeds, problems)
    organizations: list[Organization] = []
    lines: dict[str, int] = {}
    for line, row in read_rows(seeds / ORGANIZATIONS, tuple(_PARSERS), problems):
        own = {column: cell for column, cell in row.items() if cell or column not in given}
        values = defaults | _parse_cells(ORGANIZATIONS, line, own, problems)
        organization_id = values.get("organization_id")
        if organization_id is not None and lines.setdefault(organization_id, line) != line:
            allowed = f"an id that row {lines[organization_id]} has not taken"
            problems.append(
                problem(ORGANIZATIONS, line, "organization_id", organization_id, allowed)
            )
        if len(values) == len(_PARSERS):
            organizations.append(Organization(**values))
    raise_for(problems)
    return organizations


def _find_shared_folders(
    lines: Mapping[str, int], organizations: Sequence[Organization]
) -> Iterator[str]:
    """Find folders that are the same as, or inside, another folder of the same server (R11)."""
    named_folders = (folder for organization in organizations for folder in organization.folders)
    for wrong, other in find_shared(named_folders):
        allowed = (
            f"a folder that is neither {other.path!r} nor inside it, which is {other.column}"
            f" of row {lines[other.organization_id]}"
        )
        line = lines[wrong.organization_id]
        yield problem(ORGANIZATIONS, line, wrong.column, wrong.path, allowed)


def _find_shared_names(
    lines: Mapping[str, int], organizations: Sequence[Organization]
) -> Iterator[str]:
    """Find patterns that take files of a kind that is looked for after theirs (R11)."""
    for each in organizations:
        for (kind, pattern), (other, other_pattern) in combinations(each.patterns.items(), 2):
            if takes_names(pattern, other_pattern):
                line = lines[each.organization_id]
                allowed = f"a pattern that takes no file of {other}, {other_pattern!r}"
                yield problem(ORGANIZATIONS, line, f"{kind}_pattern", pattern, allowed)


def read_column_aliases(seeds: Path) -> Aliases:
    """Read column_aliases.csv (R11).

    Args:
        seeds: the folder of the file and of organizations.csv.

    Raises:
        ContractError: an alias is for an unknown field or organization, or one alias is for two
            fields. Lists all problems.

    """
    problems: list[str] = []
    contracts = read_rows(seeds / ORGANIZATIONS, tuple(_PARSERS), [])
    organization_ids = {"", *(row["organization_id"].strip() for _, row in contracts)}
    fields: dict[tuple[str, str, str], str] = {}
    columns = ("organization_id", "file_kind", "alias", "field")
    for line, row in read_rows(seeds / COLUMN_ALIASES, columns, problems):
        organization_id, kind, alias, field = (row[column].strip() for column in columns)
        if organization_id not in organization_ids:
            allowed = f"nothing or an id that {ORGANIZATIONS} has"
            problems.append(
                problem(COLUMN_ALIASES, line, "organization_id", organization_id, allowed)
            )
        if kind not in FIELDS:
            allowed = " or ".join(FIELDS)
            problems.append(problem(COLUMN_ALIASES, line, "file_kind", kind, allowed))
            continue
        if field not in FIELDS[kind]:
            allowed = " or ".join(FIELDS[kind])
            problems.append(problem(COLUMN_ALIASES, line, "field", field, allowed))
            continue
        key = (organization_id, kind, normalize_header(alias))
        if not key[2] or fields.setdefault(key, field) != field:
            allowed = "a name with letters or digits that means one field"
            problems.append(problem(COLUMN_ALIASES, line, "alias", alias, allowed))
    raise_for(problems)
    return Aliases(fields)


def _read_defaults(seeds: Path, problems: list[str]) -> tuple[set[str], dict[str, Any]]:
    """Return the columns that have a default, and the defaults that are allowed."""
    rows = read_rows(seeds / DEFAULTS, DEFAULTED, problems)
    if len(rows) != 1:
        problems.append(f"{DEFAULTS}: {len(rows)} readable rows; allowed: exactly one")
        return set(DEFAULTED), {}
    line, row = rows[0]
    cells = {**ADDED, **{column: cell for column, cell in row.items() if cell}}
    return set(cells), _parse_cells(DEFAULTS, line, cells, problems)


def _parse_cells(
    name: str, line: int, cells: Mapping[str, str], problems: list[str]
) -> dict[str, Any]:
    """Parse the cells; a cell whose value is not allowed becomes a problem."""
    values: dict[str, Any] = {}
    for column, cell in cells.items():
        text = cell.strip()
        try:
            values[column] = _PARSERS[column](text)
        except ValueError as error:
            problems.append(problem(name, line, column, text, str(error)))
    return values


def _parse_pattern(text: str) -> str:
    if any(text.count(token) != 1 for token in ("YYYY", "MM", "DD")) or "/" in text:
        raise ValueError("a file name with YYYY, MM and DD once each, * for anything")
    return text


def _parse_currency(text: str) -> str:
    if text not in CURRENCIES:
        raise ValueError("a currency code of ISO 4217 such as CLP, or CLF for the UF")
    return text


def _parse_time_zone(text: str) -> ZoneInfo:
    if text not in _known_time_zones():
        raise ValueError("a name of the IANA time zone database such as America/Santiago")
    return ZoneInfo(text)


@cache
def _known_time_zones() -> set[str]:
    """Return all time zones, cached: the call takes milliseconds, and there may be a thousand
    contracts.
    """
    return available_timezones()


def _parse_quiet_seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _DAY_SECONDS:
        raise ValueError(f"whole seconds from 0 to {_DAY_SECONDS}")
    return int(text)


def _parse_delimiter(text: str) -> str:
    return DELIMITERS[one_of(DELIMITERS)(text)]


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "organization_id": matching(r"[a-z][a-z0-9_]*", "[a-z][a-z0-9_]*"),
    "name": FILLED,
    "country": matching(r"[A-Z]{2}", "a country code of ISO 3166 such as CL"),
    "customer_id_scheme": one_of(CUSTOMER_ID_SCHEMES),
    "update_mode": one_of(UPDATE_MODES),
    "payment_flow": one_of(PAYMENT_FLOWS),
    "currency": _parse_currency,
    "time_zone": _parse_time_zone,
    "cutoff_time": parse_time,
    "sftp_host": FILLED,
    "sftp_port": parse_port,
    "sftp_username": FILLED,
    "inbox_dir": FILLED,
    "outbox_dir": FILLED,
    "invoices_pattern": _parse_pattern,
    "payments_pattern": _parse_pattern,
    "delimiter": _parse_delimiter,
    "decimal_separator": one_of(DECIMAL_SEPARATORS),
    "date_format": one_of(DATE_FORMATS),
    "max_withdrawal_share": parse_share,
    "max_rejected_share": parse_share,
    "quiet_seconds": _parse_quiet_seconds,
}
