"""What may be wrong with a file that is tried, or with its contract, beyond what the models say.

Nothing is guessed where files are read (R14). Here a person decides, who may not know how a file
was written: the models read the rows under each word that a contract may have, and this says
which one reads more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.contracts.file_names import InvalidFileDateError, file_date
from orchestration.contracts.organizations import DELIMITERS, Organization
from orchestration.formats import samples
from orchestration.formats.encodings import GZIP, ZIP
from orchestration.installation.home import Home
from orchestration.installation.whole_files import hash_of
from orchestration.landing.manifests import CUSTOMERS
from orchestration.pages.published import NotPublishedError, Reader, opened
from orchestration.pages.queries import trials
from orchestration.pages.queries.trials import Fit, FormerFile

# What the .zip of a workbook names, and no other (ECMA-376).
_OF_WORKBOOKS = b"[Content_Types].xml"


@dataclass(frozen=True)
class Advice:
    """What a person should know before they agree on a file.

    Args:
        container: `workbook`, `zip` or `gzip`, as debts and payments come as text; else empty.
        delimiter: one that splits the header into more columns, and into how many.
        date_format: one under which more rows have a due date.
        decimal_separator: one with which more rows have an amount.
        pattern: what files are called, if this one is not.
        former: the received file of the same bytes.
        newest_date: of an applied debts file, if this one is for an older date.

    """

    container: str = ""
    delimiter: tuple[str, int] | None = None
    date_format: Fit | None = None
    decimal_separator: Fit | None = None
    pattern: str = ""
    former: FormerFile | None = None
    newest_date: date | None = None


def advise(
    home: Home,
    reader: Reader,
    organization: Organization,
    kind: str,
    content: Path,
    named_for: date | None,
    *,
    has_base: bool,
) -> Advice:
    """Compare a judged file with what else its contract could say, and with former files.

    Args:
        home: the installation.
        reader: of the warehouse in which it was judged; nothing else can be asked of it after.
        organization: its contract.
        kind: `invoices`, `payments` or `customers`.
        content: the file.
        named_for: the date in its name, if a run would read a file of that name.
        has_base: whether the organization exists.

    """
    former, newest_date = None, None
    if has_base:
        former, newest_date = _find_former(home, organization.organization_id, kind, content)
    if kind == CUSTOMERS:
        return Advice(former=former)
    is_older = named_for is not None and newest_date is not None and named_for < newest_date
    return Advice(
        container=_find_container(content.read_bytes()),
        delimiter=_find_delimiter(content, organization.delimiter),
        date_format=_better(trials.fit_dates(reader, kind), organization.date_format),
        decimal_separator=_better(
            trials.fit_decimals(reader, kind), organization.decimal_separator
        ),
        pattern=_patterns(organization)[kind] if named_for is None else "",
        former=former,
        newest_date=newest_date if is_older and kind == "invoices" else None,
    )


def find_date(organization: Organization, kind: str, file_name: str) -> date | None:
    """The business date in a file's name; None if a run would not read a file of that name."""
    pattern = _patterns(organization).get(kind)
    try:
        return file_date(pattern, file_name) if pattern else None
    except InvalidFileDateError:
        return None


def _patterns(organization: Organization) -> dict[str, str]:
    return {
        "invoices": organization.invoices_pattern,
        "payments": organization.payments_pattern,
    }


def _find_former(
    home: Home, organization_id: str, kind: str, content: Path
) -> tuple[FormerFile | None, date | None]:
    """The received file of the same bytes, and the newest date of an applied file."""
    try:
        with opened(home) as published:
            return (
                trials.find_former(published, organization_id, kind, hash_of(content)),
                trials.find_newest_date(published, organization_id, kind),
            )
    except NotPublishedError:
        return None, None


def _find_container(content: bytes) -> str:
    if content.startswith(ZIP):
        return "workbook" if _OF_WORKBOOKS in content else "zip"
    return "gzip" if content.startswith(GZIP) else ""


def _find_delimiter(content: Path, agreed: str) -> tuple[str, int] | None:
    """The word of a delimiter that splits the header into more columns than the one agreed."""
    counts = {
        word: samples.count_columns(content, character) for word, character in DELIMITERS.items()
    }
    best = max(counts, key=lambda word: counts[word])
    of_agreed = next(counts[word] for word, each in DELIMITERS.items() if each == agreed)
    return (best, counts[best]) if counts[best] > of_agreed else None


def _better(fits: list[Fit], agreed: str) -> Fit | None:
    """The word of the contract under which more rows are read than under the one agreed."""
    of_agreed = next(fit.row_count for fit in fits if fit.word == agreed)
    return fits[0] if fits[0].row_count > of_agreed else None
