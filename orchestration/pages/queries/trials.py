"""What the models say of a file that is tried, and what analysts see of files like it.

The first part asks the warehouse in memory in which the file was judged (`intake.trying`), the
second the published copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from orchestration.contracts.organizations import DATE_FORMATS, DECIMAL_SEPARATORS
from orchestration.installation.databases import read_value
from orchestration.pages.published import Reader

MOST_ROWS = 500
# By kind of file: the model with the codes of its rows, and the columns that are shown of a row.
_CHECKED = {
    "invoices": "intermediate.int_invoices__checked",
    "payments": "intermediate.int_organization_payments__checked",
    "customers": "intermediate.int_customers__checked",
}
_ROWS = {
    "invoices": "raw.invoices",
    "payments": "raw.organization_payments",
    "customers": "raw.customers",
}
SHOWN = {
    "invoices": ("customer_id", "product_id", "due_date", "amount"),
    "payments": ("customer_id", "product_id", "due_date", "amount"),
    "customers": ("customer_id", "name", "mail"),
}
# The rows whose date and amount the models read, where a file has both.
_PARSED = {
    "invoices": "staging.stg_intake__invoices",
    "payments": "staging.stg_intake__organization_payments",
}

_VERDICT = """
select
    judged.verdict,
    judged.code,
    files.file_message,
    files.encoding,
    files.ends_with_line_end,
    files.record_count,
    judged.accepted_count,
    judged.rejected_count,
    judged.unidentified_count,
    judged.accepted_amount,
    judged.rejected_amount,
    judged.unchanged_count,
    judged.pending_count
from raw.intake_files as files
inner join intermediate.int_intake_files__judged as judged on files.file_id = judged.file_id
"""

_CHANGES = """
select change, count(*) as debt_count, coalesce(sum(amount), 0) as amount
from intermediate.int_debts__compared
group by change
"""

_CUSTOMER_CHANGES = """
select change, count(*) as customer_count, cast(0 as decimal(38, 4)) as amount
from intermediate.int_customers__compared
group by change
"""

_CUSTOMERS = f"""
select line_number, change, customer_id, name, coalesce(mail, '') as mail
from intermediate.int_customers__compared
where change <> 'unchanged'
order by line_number
limit {MOST_ROWS}
"""  # noqa: S608 (a number of ours)

_UNUSABLE_MAILS = """
select line_number
from intermediate.int_customers__checked
where rejection_code is null and mail_status = 'invalid'
order by line_number
"""

_BASE = """
select count(*)
from staging.stg_base__debts
where status in ('pending', 'in_process')
"""

_NAMED = """
select
    count(case when base.status in ('pending', 'in_process') then 1 end) as base_count,
    count(case when base.status not in ('pending', 'in_process') then 1 end) as other_count,
    count(case when base.debt_id is null then 1 end) as unknown_count
from intermediate.int_organization_payments__checked as payments
left join staging.stg_base__debts as base on payments.debt_id = base.debt_id
where payments.rejection_code is null
"""

_FORMER = """
select file_id, file_name, status
from intake_files
where organization_id = $organization_id and kind = $kind and sha256 = $sha256
order by received_at desc, file_id
limit 1
"""

_NEWEST = """
select max(business_date) as business_date
from intake_files
where organization_id = $organization_id and kind = $kind and status = 'applied'
"""


@dataclass(frozen=True)
class Verdict:
    """What would become of the file as a whole, and its figures."""

    verdict: str
    code: str | None
    file_message: str | None
    encoding: str | None
    ends_with_line_end: bool | None
    record_count: int
    accepted_count: int
    rejected_count: int
    unidentified_count: int
    accepted_amount: Decimal
    rejected_amount: Decimal
    unchanged_count: int
    pending_count: int

    @property
    def does_balance(self) -> bool:
        """Whether what is in it is what would be accepted and what would be refused."""
        return self.record_count == self.accepted_count + self.rejected_count


@dataclass(frozen=True)
class RefusedRows:
    """How many rows have a code."""

    code: str
    row_count: int


@dataclass(frozen=True)
class Refusal:
    """A row that would be refused; `cells` are its texts in the columns of SHOWN."""

    line_number: int
    code: str
    cells: tuple[str | None, ...]


@dataclass(frozen=True)
class Change:
    """What would happen to debts or customers: how many, and the sum of their amounts."""

    change: str
    count: int
    amount: Decimal


@dataclass(frozen=True)
class CustomerChange:
    """A customer that would be created (`new`) or changed."""

    row_number: int
    change: str
    customer_id: str
    name: str
    mail: str


@dataclass(frozen=True)
class Named:
    """Which debts the accepted rows of an organization's own payments name."""

    base_count: int
    other_count: int
    unknown_count: int


@dataclass(frozen=True)
class Fit:
    """How many rows have a date or an amount under a word of the contract."""

    word: str
    row_count: int


@dataclass(frozen=True)
class FormerFile:
    """A file that was received before."""

    file_id: str
    file_name: str
    status: str


def read_verdict(reader: Reader) -> Verdict:
    """The verdict on the file that was tried.

    Raises:
        LookupError: the models have not judged it.

    """
    verdict = reader.row(Verdict, _VERDICT)
    if verdict is None:
        raise LookupError("the models have not judged the file")
    return verdict


def count_refusals(reader: Reader, kind: str) -> list[RefusedRows]:
    """The rows that would be refused by code, the most frequent first."""
    return reader.rows(
        RefusedRows,
        f"""
        select rejection_code, count(*) as row_count
        from {_CHECKED[kind]}
        where rejection_code is not null
        group by rejection_code
        order by row_count desc, rejection_code
        """,  # noqa: S608 (names of ours)
    )


def read_refusals(reader: Reader, kind: str) -> list[Refusal]:
    """The first MOST_ROWS rows that would be refused, as they are in the file."""
    columns = ", ".join(f"file_rows.{name}" for name in SHOWN[kind])
    found = reader.connection.execute(
        f"""
        select checked.line_number, checked.rejection_code, {columns}
        from {_CHECKED[kind]} as checked
        inner join {_ROWS[kind]} as file_rows on checked.line_number = file_rows.line_number
        where checked.rejection_code is not null
        order by checked.line_number
        limit {MOST_ROWS}
        """  # noqa: S608 (names of ours)
    ).fetchall()
    return [Refusal(number, code, tuple(cells)) for number, code, *cells in found]


def read_changes(reader: Reader, kind: str) -> dict[str, Change]:
    """What would happen to debts or customers, by kind of change."""
    sql = {"invoices": _CHANGES, "customers": _CUSTOMER_CHANGES}.get(kind)
    return {each.change: each for each in reader.rows(Change, sql)} if sql else {}


def read_customer_changes(reader: Reader) -> list[CustomerChange]:
    """The first MOST_ROWS customers that would be created or changed, row by row."""
    return reader.rows(CustomerChange, _CUSTOMERS)


def find_unusable_mails(reader: Reader) -> list[int]:
    """The accepted rows of a workbook whose mail cannot be written to."""
    return reader.rows(int, _UNUSABLE_MAILS)


def count_base(reader: Reader) -> int:
    """How many debts of the organization are in the base."""
    return int(read_value(reader.connection, _BASE))


def read_named(reader: Reader) -> Named:
    """Which debts the file of an organization's own payments names."""
    (named,) = reader.rows(Named, _NAMED)
    return named


def fit_dates(reader: Reader, kind: str) -> list[Fit]:
    """How many rows would have a due date in each form that a contract may name."""
    return _fit(reader, kind, "date_format", DATE_FORMATS, "due_date")


def fit_decimals(reader: Reader, kind: str) -> list[Fit]:
    """How many rows would have an amount with each decimal separator."""
    return _fit(reader, kind, "decimal_separator", DECIMAL_SEPARATORS, "amount")


def find_former(reader: Reader, organization_id: str, kind: str, sha256: str) -> FormerFile | None:
    """The newest received file of the same bytes."""
    return reader.row(
        FormerFile, _FORMER, organization_id=organization_id, kind=kind, sha256=sha256
    )


def find_newest_date(reader: Reader, organization_id: str, kind: str) -> date | None:
    """The newest business date of an applied file."""
    newest: date | None = read_value(
        reader.connection, _NEWEST, {"organization_id": organization_id, "kind": kind}
    )
    return newest


def _fit(reader: Reader, kind: str, column: str, words: tuple[str, ...], value: str) -> list[Fit]:
    """Have the models read the rows under each word; nothing else is asked of them afterwards."""
    fits = []
    for word in words:
        reader.connection.execute(f"update raw.intake_files set {column} = ?", [word])  # noqa: S608
        counted = f"select count({value}) from {_PARSED[kind]}"  # noqa: S608 (names of ours)
        fits.append(Fit(word, read_value(reader.connection, counted)))
    return sorted(fits, key=lambda fit: -fit.row_count)
