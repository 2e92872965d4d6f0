"""The files that organizations left, what became of them and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader

MOST_FILES = 100
MOST_REFUSALS = 200
_MOST_FORMER = 15

_LISTED = f"""
select
    file_id, organization_id, kind, file_name, business_date, status, code, record_count,
    rejected_count, received_at
from intake_files
where organization_id = coalesce(nullif($organization_id, ''), organization_id)
order by status = 'held' desc, received_at desc, file_id
limit {MOST_FILES}
"""  # noqa: S608 (a number of ours)

_FILE = """
select
    files.file_id,
    files.organization_id,
    files.kind,
    files.file_name,
    files.business_date,
    files.update_mode,
    files.received_at,
    files.modified_at,
    files.status,
    files.code,
    files.message,
    files.record_count,
    files.accepted_count,
    files.rejected_count,
    files.unidentified_count,
    files.accepted_amount,
    files.rejected_amount,
    files.new_count,
    files.changed_count,
    files.unchanged_count,
    files.withdrawn_count,
    files.kept_in_process_count,
    files.judged_at,
    files.sha256,
    files.byte_count,
    files.encoding,
    files.load_id,
    organizations.currency,
    organizations.max_withdrawal_share
from intake_files as files
left join organizations on files.organization_id = organizations.organization_id
where files.file_id = $file_id
"""

_CODES = """
select code, message, count(*) as row_count
from intake_rejections
where file_id = $file_id
group by code, message
order by row_count desc, code
"""

_REFUSALS = f"""
select line_number, code, message, customer_id_text, product_id_text, due_date_text, amount_text
from intake_rejections
where file_id = $file_id
order by code, line_number
limit {MOST_REFUSALS}
"""  # noqa: S608 (a number of ours)

_FORMER = f"""
with former as (
    select file_id, business_date, status, accepted_count, rejected_count, received_at
    from intake_files
    where
        organization_id = $organization_id
        and kind = $kind
        and status <> 'duplicate'
        and received_at <= $received_at
    order by received_at desc, file_id
    limit {_MOST_FORMER}
)

select business_date, status, accepted_count, rejected_count
from former
order by received_at, file_id
"""  # noqa: S608 (a number of ours)

_BASE = """
select
    count(*) as debt_count,
    count(case when status = 'pending' then 1 end) as pending_count,
    sum(case when currency = $currency then amount end) as amount
from debts
where organization_id = $organization_id and is_in_base
"""


@dataclass(frozen=True)
class ListedFile:
    """A file in the list."""

    file_id: str
    organization_id: str
    kind: str
    file_name: str
    business_date: date
    status: str
    code: str | None
    record_count: int | None
    rejected_count: int | None
    received_at: datetime


@dataclass(frozen=True)
class ReceivedFile:
    """A file with all that is known of it; the last two are of its organization's contract."""

    file_id: str
    organization_id: str
    kind: str
    file_name: str
    business_date: date
    update_mode: str | None
    received_at: datetime
    modified_at: datetime | None
    status: str
    code: str | None
    message: str | None
    record_count: int | None
    accepted_count: int | None
    rejected_count: int | None
    unidentified_count: int | None
    accepted_amount: Decimal | None
    rejected_amount: Decimal | None
    new_count: int | None
    changed_count: int | None
    unchanged_count: int | None
    withdrawn_count: int | None
    kept_in_process_count: int | None
    judged_at: datetime
    sha256: str | None
    byte_count: int | None
    encoding: str | None
    load_id: int
    currency: str | None
    max_withdrawal_share: Decimal | None

    @property
    def does_balance(self) -> bool:
        """Whether what is in it is what was accepted and what was refused."""
        return (self.record_count or 0) == (self.accepted_count or 0) + (self.rejected_count or 0)


@dataclass(frozen=True)
class RefusedRows:
    """How many rows of a file were refused with a code."""

    code: str
    message: str | None
    row_count: int


@dataclass(frozen=True)
class Refusal:
    """A refused row, with its texts as they stand in the file."""

    line_number: int
    code: str
    message: str | None
    customer_id: str | None
    product_id: str | None
    due_date: str | None
    amount: str | None


@dataclass(frozen=True)
class FormerFile:
    """How large a file was that the same organization left."""

    business_date: date
    status: str
    accepted_count: int | None
    rejected_count: int | None


@dataclass(frozen=True)
class Base:
    """The debts of an organization that are in the base now; the amount is of its own currency."""

    debt_count: int
    pending_count: int
    amount: Decimal | None


def list_files(reader: Reader, organization_id: str) -> list[ListedFile]:
    """The files received last, those that wait for a decision first; of all if none is named."""
    return reader.rows(ListedFile, _LISTED, organization_id=organization_id)


def read_file(reader: Reader, file_id: str) -> ReceivedFile | None:
    """A file; None if there is none of that id."""
    return reader.row(ReceivedFile, _FILE, file_id=file_id)


def count_refusals(reader: Reader, file_id: str) -> list[RefusedRows]:
    """The refused rows of a file by code, the most frequent first."""
    return reader.rows(RefusedRows, _CODES, file_id=file_id)


def read_refusals(reader: Reader, file_id: str) -> list[Refusal]:
    """The first MOST_REFUSALS refused rows of a file, by code and line."""
    return reader.rows(Refusal, _REFUSALS, file_id=file_id)


def read_former(reader: Reader, file: ReceivedFile) -> list[FormerFile]:
    """The files of the same kind that came before a file, and that file, the oldest first."""
    return reader.rows(
        FormerFile,
        _FORMER,
        organization_id=file.organization_id,
        kind=file.kind,
        received_at=file.received_at,
    )


def read_base(reader: Reader, file: ReceivedFile) -> Base:
    """The base that a file meets."""
    (base,) = reader.rows(Base, _BASE, organization_id=file.organization_id, currency=file.currency)
    return base
