"""What leads to debts, and the whole life of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader

MOST_FOUND = 200
_RUT = re.compile(r"0*(\d{1,9})-?([\dkK])", re.ASCII)
# The beginning of a hash that is long enough to mean one file.
_HASH = re.compile(r"[0-9a-f]{8,64}", re.ASCII)

_FILES = f"""
select
    file_id, organization_id, kind, file_name, business_date, status,
    count(*) over () as found_count
from intake_files
where
    lower(file_name) in (lower($text), lower($normal))
    or file_id = $hash
    or ($hash <> '' and starts_with(sha256, $hash))
order by received_at desc, file_id
limit {MOST_FOUND}
"""  # noqa: S608 (a number of ours)

_PAYMENTS = f"""
select
    organization_id, payment_id, status, amount, currency, occurred_at, debt_id,
    count(*) over () as found_count
from payments
where list_contains($spellings, payment_id)
order by organization_id, due_date, payment_key
limit {MOST_FOUND}
"""  # noqa: S608 (a number of ours)

# Of the ids of organizations, those that look the same are the same (R1). To normalize each of them
# would take most of the search, so others are left out first: an id of ASCII that is not its own
# normal form is longer than that, unless a tab in it is a space there, and begins as that does, or
# with a mark, a blank or a control character.
_LOOKS_THE_SAME = """
    (
        (
            strlen({id}) <> length({id})
            or (
                strlen({id}) >= $least_length
                and (
                    starts_with({id}, $beginning)
                    or starts_with({id}, '=')
                    or {id} not between '(' and '~'
                )
            )
        )
        and normal_id({id}) = $normal
    )
"""

_NAMED_DEBTS = f"""
from debts
where
    list_contains($spellings, customer_id)
    or list_contains($spellings, product_id)
    or {_LOOKS_THE_SAME.format(id="customer_id")}
    or {_LOOKS_THE_SAME.format(id="product_id")}
    or list_contains($debt_ids, debt_id)
    or list_contains($file_ids, first_file_id)
    or list_contains($file_ids, version_file_id)
"""

_DEBTS = f"""
select
    debt_id,
    organization_id,
    customer_id,
    product_id,
    due_date,
    amount,
    currency,
    status
{_NAMED_DEBTS}
order by organization_id, customer_id, due_date, product_id
limit {MOST_FOUND}
"""

_DEBT = """
select
    debts.debt_id,
    debts.organization_id,
    debts.customer_id,
    debts.product_id,
    debts.due_date,
    debts.amount,
    debts.currency,
    debts.status,
    debts.kept_because,
    debts.paid_because,
    debts.file_status,
    debts.payment_id,
    debts.attributes,
    debts.version_file_id,
    files.file_name,
    debts.version_line_number
from debts
left join intake_files as files on debts.version_file_id = files.file_id
where debts.debt_id = $debt_id
"""

# Shown on the page as it is, so that an analyst can go on from there.
_LIFE = """
with life as (
    select
        history.dbt_valid_from as known_at,
        'version' as kind,
        history.status,
        history.amount,
        history.currency,
        coalesce(history.kept_because, history.paid_because) as because,
        history.version_file_id as file_id,
        files.file_name,
        history.version_line_number as line_number,
        history.payment_id,
        cast(null as varchar) as channel,
        files.business_date,
        cast(null as timestamp) as occurred_at
    from debts_history as history
    left join intake_files as files on history.version_file_id = files.file_id
    where history.debt_id = $debt_id
    union all
    select
        updated_at, 'payment', status, amount, currency, reason, null, null, null, payment_id,
        channel_label, null, occurred_at
    from payment_events
    where debt_id = $debt_id
    union all
    select
        files.seen_at, 'refused row', rejections.code, null, null, rejections.message,
        rejections.file_id, rejections.file_name, rejections.line_number, null, null,
        rejections.business_date, null
    from intake_rejections as rejections
    inner join intake_files as files on rejections.file_id = files.file_id
    where rejections.debt_id = $debt_id
    union all
    select
        opened_at, 'exception', code, payment_amount, currency, description, opened_by_file_id,
        null, null, payment_id, channel, opened_on, null
    from payment_exceptions
    where debt_id = $debt_id
    union all
    select
        published_at, 'told', status, amount, currency, null, null, null, line_number, payment_id,
        channel, business_date, occurred_at
    from payments_file_lines
    where debt_id = $debt_id
)

select *
from life
order by
    known_at,
    -- of one load, what happened comes before what came of it
    list_position(['refused row', 'payment', 'version', 'exception', 'told'], kind),
    business_date,
    occurred_at,
    line_number
"""


@dataclass(frozen=True)
class FoundFile:
    """A file that a search names; `found_count` is how many it does."""

    file_id: str
    organization_id: str
    kind: str
    file_name: str
    business_date: date
    status: str
    found_count: int


@dataclass(frozen=True)
class FoundPayment:
    """A payment that a search names; no file need have listed its debt.

    `found_count` is how many the search names.
    """

    organization_id: str
    payment_id: str
    status: str
    amount: Decimal
    currency: str
    occurred_at: datetime
    debt_id: str
    found_count: int


@dataclass(frozen=True)
class FoundDebt:
    """A debt that a search leads to."""

    debt_id: str
    organization_id: str
    customer_id: str
    product_id: str
    due_date: date
    amount: Decimal
    currency: str
    status: str


@dataclass(frozen=True)
class Found:
    """What a search leads to; of each the first MOST_FOUND.

    Args:
        files: with that name or hash.
        payments: with that id.
        debts: of that customer or product, or of those files and payments.
        debt_count: how many such debts there are in all.

    """

    files: list[FoundFile]
    payments: list[FoundPayment]
    debts: list[FoundDebt]
    debt_count: int

    @property
    def known_debt_ids(self) -> set[str]:
        """The debts that a file has listed."""
        return {debt.debt_id for debt in self.debts}

    @property
    def has_all_debts(self) -> bool:
        """Whether these are all debts that it leads to."""
        return self.debt_count == len(self.debts)

    @property
    def is_empty(self) -> bool:
        """Whether it leads to nothing."""
        return not (self.files or self.payments or self.debts)


@dataclass(frozen=True)
class Debt:
    """A debt as it is now, with the file of its values."""

    debt_id: str
    organization_id: str
    customer_id: str
    product_id: str
    due_date: date
    amount: Decimal
    currency: str
    status: str
    kept_because: str | None
    paid_because: str | None
    file_status: str
    payment_id: str | None
    attributes: str | None
    version_file_id: str
    file_name: str | None
    version_line_number: int


@dataclass(frozen=True)
class Moment:
    """Something that became known of a debt.

    Args:
        known_at: when it became known here (UTC).
        kind: `version`, `payment`, `refused row`, `exception` or `told`.
        status: of the debt, the event or the line, or the code.
        amount: of it.
        currency: of the amount.
        because: why, in words or as a code.
        file_id: the file that brought it.
        file_name: the name of that file.
        line_number: the line in it, or in the payments file.
        payment_id: the payment.
        channel: of the payment.
        business_date: of the file, or the payments file.
        occurred_at: when the event of the payment was (UTC); of a told line, its latest.

    """

    known_at: datetime
    kind: str
    status: str
    amount: Decimal | None
    currency: str | None
    because: str | None
    file_id: str | None
    file_name: str | None
    line_number: int | None
    payment_id: str | None
    channel: str | None
    business_date: date | None
    occurred_at: datetime | None


def find(reader: Reader, text: str) -> Found:
    """What a customer, product, payment, file name, hash or id of ours leads to.

    Args:
        reader: the published copy.
        text: as somebody typed or pasted it.

    """
    normal = _normalize(reader, text)
    spellings = [text, normal]
    if rut := _RUT.fullmatch(normal.replace(".", "").replace(" ", "")):
        spellings.append(f"{rut[1]}-{rut[2].upper()}")
    hashed = normal.lower() if _HASH.fullmatch(normal.lower()) else ""
    files = reader.rows(FoundFile, _FILES, text=text, normal=normal, hash=hashed)
    payments = reader.rows(FoundPayment, _PAYMENTS, spellings=spellings)
    named = {
        "spellings": spellings,
        "normal": normal,
        "beginning": normal[:1],
        "least_length": len(normal.encode()) + (" " not in normal),
        "debt_ids": [hashed, *(payment.debt_id for payment in payments)],
        "file_ids": [file.file_id for file in files],
    }
    debts = reader.rows(FoundDebt, _DEBTS, **named)
    count = len(debts)
    if count == MOST_FOUND:
        count = reader.row(int, f"select count(*) {_NAMED_DEBTS}", **named) or count
    return Found(files, payments, debts, count)


def _normalize(reader: Reader, text: str) -> str:
    """The normal form of a text, with the function by which the models compare ids (R1)."""
    return reader.row(str, "select normal_id($text)", text=text) or ""


def read_debt(reader: Reader, debt_id: str) -> Debt | None:
    """A debt as it is now; None if there is none of that id."""
    return reader.row(Debt, _DEBT, debt_id=debt_id)


def read_life(reader: Reader, debt_id: str) -> list[Moment]:
    """All that became known of a debt, the oldest first."""
    return reader.rows(Moment, _LIFE, debt_id=debt_id)


def life_sql(debt_id: str) -> str:
    """The query of `read_life` with the id in it, to be run by hand.

    Args:
        debt_id: of a debt that was found; ids of ours have nothing to be quoted.

    """
    return _LIFE.replace("$debt_id", f"'{debt_id}'").strip()
