"""Previews: what a workbook of customers would do, before anyone says yes (R26).

The models answer (`intake.trying`): they judge the workbook alone, beside the customers as analysts
see them. Nothing of the installation changes, and no run is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestration.contracts.organizations import Aliases, Organization
from orchestration.formats import workbooks
from orchestration.formats.encodings import UnreadableError
from orchestration.formats.workbooks import Sheet
from orchestration.installation.home import Home
from orchestration.intake import trying
from orchestration.intake.trial_homes import trial_home
from orchestration.landing.manifests import CUSTOMERS
from orchestration.pages.published import Reader
from orchestration.pages.queries import trials
from orchestration.pages.queries.trials import CustomerChange

_INVALID_MAIL = "El correo no es una dirección: el cliente se crea, pero no se le escribe."

# The columns that a code speaks of; a code that is not here says it in its message.
_FIELDS_OF: Mapping[str, tuple[str, ...]] = {
    "missing_customer_id": ("customer_id",),
    "invalid_rut": ("customer_id",),
    "date_as_customer_id": ("customer_id",),
    "inexact_id": ("customer_id",),
    "duplicate_customer": ("customer_id",),
    "missing_name": ("name",),
    "cell_error": ("customer_id", "name"),
    "formula_without_value": ("customer_id", "name"),
    "invalid_mail": ("mail",),
}


@dataclass(frozen=True)
class Remark:
    """Something about a row: a refusal or a warning.

    Args:
        row_number: as Excel shows it.
        column: the column's letter and name, empty where no single column is meant.
        code: stable.
        message: for the organization, in Spanish.

    """

    row_number: int
    column: str
    code: str
    message: str


@dataclass(frozen=True)
class Preview:
    """What a workbook would do; of long lists the first `trials.MOST_ROWS`.

    Args:
        is_refused: whether the whole workbook would be refused.
        code: why, if so.
        message: the same in Spanish.
        sheet: the sheet that is read, empty if there is none.
        other_sheets: the sheets that are not.
        new_count: customers that would be created.
        changed_count: customers that would be changed.
        unchanged_count: customers that are as the workbook has them.
        refused_count: rows that would be refused.
        warning_count: accepted rows whose mail cannot be written to.
        changes: the first two, row by row.
        refusals: the refused rows.
        warnings: the accepted rows whose mail cannot be written to.

    """

    is_refused: bool
    code: str
    message: str
    sheet: str
    other_sheets: tuple[str, ...]
    new_count: int
    changed_count: int
    unchanged_count: int
    refused_count: int
    warning_count: int
    changes: tuple[CustomerChange, ...]
    refusals: tuple[Remark, ...]
    warnings: tuple[Remark, ...]


def make_preview(
    home: Home, organization: Organization, aliases: Aliases, workbook: Path, now: datetime
) -> Preview:
    """Say what a workbook would do to an organization's customers.

    Args:
        home: the installation; read only, but for a folder of scratch.
        organization: whose customers the workbook has.
        aliases: which header name means which field (R11).
        workbook: the file.
        now: the time.

    Raises:
        NotTriedError: the database failed.
        subprocess.CalledProcessError: dbt failed.

    """
    try:
        with workbooks.read(
            workbook, organization.organization_id, organization.customer_id_scheme, aliases
        ) as opened:
            sheet: Sheet | None = opened.sheet
    except UnreadableError:
        sheet = None
    with (
        trial_home(home, "try") as trial,
        trying.judged(
            home,
            trial,
            organization,
            kind=CUSTOMERS,
            content=workbook,
            file_name=workbook.name,
            business_date=now.date(),
            now=now,
        ) as connection,
    ):
        return _read_preview(Reader(connection), trying.read_messages(home.seeds), sheet)


def _read_preview(reader: Reader, messages: Mapping[str, str], sheet: Sheet | None) -> Preview:
    verdict = trials.read_verdict(reader)
    counts = {change: each.count for change, each in trials.read_changes(reader, CUSTOMERS).items()}
    warnings = trials.find_unusable_mails(reader)
    said = {**messages, "invalid_mail": _INVALID_MAIL}
    code = verdict.code or ""
    return Preview(
        is_refused=verdict.verdict == "refused",
        code=code,
        message=verdict.file_message or messages.get(code, ""),
        sheet=sheet.title if sheet else "",
        other_sheets=sheet.other_titles if sheet else (),
        new_count=counts.get("new", 0),
        changed_count=counts.get("changed", 0),
        unchanged_count=verdict.unchanged_count,
        refused_count=verdict.rejected_count,
        warning_count=len(warnings),
        changes=tuple(trials.read_customer_changes(reader)),
        refusals=tuple(
            _remark(each.line_number, each.code, said, sheet)
            for each in trials.read_refusals(reader, CUSTOMERS)
        ),
        warnings=tuple(
            _remark(number, "invalid_mail", said, sheet) for number in warnings[: trials.MOST_ROWS]
        ),
    )


def _remark(row_number: int, code: str, messages: Mapping[str, str], sheet: Sheet | None) -> Remark:
    fields = _FIELDS_OF.get(code, ()) if sheet else ()
    columns = [sheet.place(field) for field in fields if sheet and field in sheet.columns]
    return Remark(row_number, " o ".join(columns), code, messages[code])
