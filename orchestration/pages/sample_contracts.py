"""The contract of a file that is tried before its organization has one, from a form (R11).

It is written as contracts are, so that it is read and checked as contracts are.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.contracts.event_words import EVENT_WORD_FILES
from orchestration.contracts.organizations import (
    COLUMN_ALIASES,
    DEFAULTED,
    DEFAULTS,
    FIELDS,
    ORGANIZATIONS,
)
from orchestration.contracts.tables import read_rows

# What the form asks for, and what it begins with where the installation has no default.
TERMS: Mapping[str, str] = {
    "country": "CL",
    "customer_id_scheme": "rut",
    "update_mode": "replace",
    "currency": "CLP",
    "delimiter": ",",
    "decimal_separator": ".",
    "date_format": "YYYY-MM-DD",
}
# The fields for which the form asks how the organization calls its column.
NAMED_FIELDS = ("customer_id", "product_id", "due_date", "amount", "name")
_ID = "sample"
# What a contract must have and the reading of a file does not need.
_ELSEWHERE = {
    "name": _ID,
    "payment_flow": "in_process",
    "sftp_host": "sample.invalid",
    "sftp_username": _ID,
}
_ALIAS_COLUMNS = ("organization_id", "file_kind", "alias", "field")


@dataclass(frozen=True)
class SampleContract:
    """What somebody said of a file.

    Args:
        kind: of file.
        terms: columns of organizations.csv with their values, those of TERMS.
        names: by field, how the organization calls its column; only where it has an own name.

    """

    kind: str
    terms: Mapping[str, str]
    names: Mapping[str, str]

    @property
    def alias_rows(self) -> list[tuple[str, str, str, str]]:
        """The rows of column_aliases.csv that it needs, for the organization `sample`."""
        return [
            (_ID, self.kind, name, field)
            for field, name in self.names.items()
            if field in FIELDS[self.kind]
        ]

    def write(self, seeds: Path, folder: Path) -> None:
        """Write it as the only contract of a folder, beside what contracts have in common.

        Args:
            seeds: the contracts of the installation.
            folder: a new folder.

        """
        folder.mkdir()
        for name in (DEFAULTS, *EVENT_WORD_FILES):
            (folder / name).write_bytes((seeds / name).read_bytes())
        own = {"organization_id": _ID, **_ELSEWHERE, **self.terms}
        columns = (*own, *(name for name in DEFAULTED if name not in own))
        _write_rows(folder / ORGANIZATIONS, columns, [[own.get(name, "") for name in columns]])
        common = [
            tuple(row[column] for column in _ALIAS_COLUMNS)
            for _line, row in read_rows(seeds / COLUMN_ALIASES, _ALIAS_COLUMNS, [])
            if not row["organization_id"].strip()
        ]
        _write_rows(folder / COLUMN_ALIASES, _ALIAS_COLUMNS, [*common, *self.alias_rows])


def read_terms(seeds: Path) -> dict[str, str]:
    """What the form begins with: the defaults of the installation."""
    rows = read_rows(seeds / DEFAULTS, DEFAULTED, [])
    defaults = rows[0][1] if rows else {}
    return {name: defaults.get(name) or value for name, value in TERMS.items()}


def _write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows([header, *rows])
