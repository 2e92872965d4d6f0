"""The files that organizations left, what became of them and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader
from orchestration.pages.queries.organizations import OWN_CURRENCIES

MOST_FILES = 100
MOST_REFUSALS = 200
MOST_WITHDRAWALS = 200
MOST_COLUMNS = 200
# What a file can do to debts of the base, in the order in which it is told.
CHANGES = (
    "new",
    "changed",
    "unchanged",
    "withdrawn",
    "kept_in_process",
    "kept_rejected_row",
)
_MOST_FORMER = 15
_LINES_AT_ONCE = 1000

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
    coalesce(files.currency, organizations.currency),
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

_COLUMNS = f"""
select column_number, column_name, field, attribute_name, count(*) over () as column_count
from intake_file_columns
where file_id = $file_id
order by column_number
limit {MOST_COLUMNS}
"""  # noqa: S608 (a number of ours)

_DIFFERENCES = f"""
select change, currency, debt_count, former_amount, listed_amount
from intake_file_differences
where file_id = $file_id
order by list_position({list(CHANGES)}, change), currency
"""  # noqa: S608 (names of ours)

# With what became of each debt since the file was compared.
_WITHDRAWALS = f"""
select
    held.debt_id, held.customer_id, held.product_id, held.due_date, held.amount, held.currency,
    debts.status
from held_withdrawals as held
left join debts on held.debt_id = debts.debt_id
where held.file_id = $file_id
order by held.withdrawal_rank
limit {MOST_WITHDRAWALS}
"""  # noqa: S608 (a number of ours)

# The outbox has one answer for each name, to the file received last.
_ANSWERS = """
with newest as (
    select organization_id, file_name, arg_max(file_id, load_id) as file_id
    from intake_files
    where organization_id = $organization_id and file_name = $file_name
    group by organization_id, file_name
)

select deliveries.kind, deliveries.is_delivered, deliveries.delivered_at, deliveries.outcome
from deliveries
inner join newest
    on
        deliveries.organization_id = newest.organization_id
        and deliveries.file_name in (
            newest.file_name || '.result.csv', newest.file_name || '.summary.csv'
        )
where newest.file_id = $file_id
order by deliveries.delivery_order
"""

_ANSWER_LINES = {
    "result": "select line from intake_result_lines($file_id) order by line_number",
    "summary": "select line from intake_summary_lines($file_id) order by line_number",
}

_BASE = f"""
with own as ({OWN_CURRENCIES})

select
    count(*) as debt_count,
    count(case when debts.status = 'pending' then 1 end) as pending_count,
    sum(
        case when debts.currency = coalesce(own.currency, $currency) then debts.amount end
    ) as amount,
    coalesce(any_value(own.currency), $currency) as currency
from debts
left join own on debts.organization_id = own.organization_id
where debts.organization_id = $organization_id and debts.is_in_base
"""  # noqa: S608 (text of ours)


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
class Column:
    """A column of a file: a field, or kept as an attribute. `column_count` is how many it has."""

    number: int
    name: str | None
    field: str | None
    attribute: str | None
    column_count: int


@dataclass(frozen=True)
class Difference:
    """Debts that a file changes in one way, in one currency; the amounts before it and in it."""

    change: str
    currency: str
    debt_count: int
    former_amount: Decimal
    listed_amount: Decimal


@dataclass(frozen=True)
class Withdrawal:
    """A debt that a held file would withdraw; `status` is the present one."""

    debt_id: str
    customer_id: str
    product_id: str
    due_date: date
    amount: Decimal
    currency: str
    status: str | None


@dataclass(frozen=True)
class Answer:
    """A file of the outbox that answers an intake file: `intake_result` or `intake_summary`."""

    kind: str
    is_delivered: bool
    delivered_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class Base:
    """The debts of an organization that are in the base now; the amount is of its own currency.

    An organization that has left has that of its file.
    """

    debt_count: int
    pending_count: int
    amount: Decimal | None
    currency: str | None


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


def read_columns(reader: Reader, file_id: str) -> list[Column]:
    """What the first MOST_COLUMNS columns were taken for; none if it could not be read."""
    return reader.rows(Column, _COLUMNS, file_id=file_id)


def read_differences(reader: Reader, file_id: str) -> list[Difference]:
    """What a debts file does to the base in debts and money, as its verdict found it."""
    return reader.rows(Difference, _DIFFERENCES, file_id=file_id)


def read_withdrawals(reader: Reader, file_id: str) -> list[Withdrawal]:
    """The largest MOST_WITHDRAWALS debts that a file that is held now would withdraw."""
    return reader.rows(Withdrawal, _WITHDRAWALS, file_id=file_id)


def read_answers(reader: Reader, file: ReceivedFile) -> list[Answer]:
    """The answers to a file and whether they were delivered; none if a later file has its name."""
    return reader.rows(
        Answer,
        _ANSWERS,
        organization_id=file.organization_id,
        file_name=file.file_name,
        file_id=file.file_id,
    )


def read_answer_lines(reader: Reader, kind: str, file_id: str) -> Iterator[str]:
    """The bytes of an answer as text, some lines at a time (R19).

    Args:
        reader: the published copy.
        kind: `result` or `summary`.
        file_id: the intake file.

    """
    lines = reader.connection.execute(_ANSWER_LINES[kind], {"file_id": file_id})
    while some := lines.fetchmany(_LINES_AT_ONCE):
        yield "".join(f"{line}\n" for (line,) in some)


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
