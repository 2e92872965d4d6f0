"""The organizations: what they owe us to know, what is in their base, what was paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader

MOST_EXCEPTIONS = 100
_DAYS = 30
_WEEKS = 12

_LISTED = """
with bases as (
    select
        debts.organization_id,
        count(*) as debt_count,
        sum(case when debts.currency = organizations.currency then debts.amount end) as amount
    from debts
    inner join organizations on debts.organization_id = organizations.organization_id
    where debts.is_in_base
    group by debts.organization_id
),

days as (
    select
        organization_id,
        max(business_date) as business_date,
        arg_max(status, business_date) as status
    from intake_days
    group by organization_id
),

waiting as (
    select organization_id, count(*) as held_count
    from intake_files
    where status = 'held'
    group by organization_id
)

select
    organizations.organization_id,
    organizations.name,
    organizations.currency,
    coalesce(bases.debt_count, 0),
    coalesce(bases.amount, 0),
    days.business_date,
    days.status,
    coalesce(waiting.held_count, 0)
from organizations
left join bases on organizations.organization_id = bases.organization_id
left join days on organizations.organization_id = days.organization_id
left join waiting on organizations.organization_id = waiting.organization_id
order by organizations.name, organizations.organization_id
"""

_CONTRACT = """
select
    organization_id, name, country, customer_id_scheme, update_mode, payment_flow, currency,
    time_zone, cutoff_time, invoices_pattern, payments_pattern, delimiter, decimal_separator,
    date_format, max_withdrawal_share, max_rejected_share
from organizations
where organization_id = $organization_id
"""

_LOOK = """
select business_date, status, file_id, is_inbox_read, inbox_code, inbox_message, looked_at
from intake_days
where organization_id = $organization_id
order by business_date desc
limit 1
"""

_STATUSES = """
select status, count(*), sum(amount)
from debts
where organization_id = $organization_id and currency = $currency
group by status
order by list_position(['pending', 'in_process', 'paid', 'withdrawn', 'void'], status)
"""

_OTHER_CURRENCIES = """
select count(*)
from debts
where organization_id = $organization_id and currency <> $currency and is_in_base
"""

_AGEING = """
with asked as (
    select coalesce(max(business_date), current_date) as aged_on
    from intake_days
    where organization_id = $organization_id
),

aged as (
    select
        debts.amount,
        asked.aged_on - debts.due_date as days
    from debts
    cross join asked
    where
        debts.organization_id = $organization_id
        and debts.currency = $currency
        and debts.is_in_base
)

select
    case
        when days <= 0 then 0 when days <= 30 then 1 when days <= 60 then 2
        when days <= 90 then 3 else 4
    end as bucket,
    count(*),
    sum(amount)
from aged
group by bucket
order by bucket
"""

_BALANCES = f"""
with newest as (
    select *
    from daily_balance
    where organization_id = $organization_id and currency = $currency
    order by business_date desc
    limit {_DAYS}
)

select
    business_date, opening_count, new_count, returned_count, paid_count, withdrawn_count,
    void_count, closing_count, opening_amount, new_amount, returned_amount, changed_amount,
    paid_amount, withdrawn_amount, void_amount, closing_amount, received_amount, published_amount,
    closing_held_amount
from newest
order by business_date
"""  # noqa: S608 (a number of ours)

_PAID = f"""
with told as (
    select paid_on, channel, amount
    from payments_file_lines
    where
        organization_id = $organization_id
        and currency = $currency
        and status = 'autorizado'
),

days as (
    select distinct paid_on
    from told
    order by paid_on desc
    limit {_DAYS}
)

select told.paid_on, coalesce(told.channel, ''), count(*), sum(told.amount)
from told
inner join days on told.paid_on = days.paid_on
group by told.paid_on, told.channel
order by told.paid_on, told.channel
"""  # noqa: S608 (a number of ours)

_IN_PROCESS = """
select
    coalesce(channel_label, ''), payment_count, amount, currency, oldest_business_days,
    normal_business_days, too_long_count
from payments_in_process_ageing
where organization_id = $organization_id
order by too_long_count desc, channel_label, currency
"""

_RECOVERY = f"""
with weeks as (
    select
        cast(date_trunc('week', due_date) as date) as week,
        sum(case when status = 'paid' then amount else 0 end) as paid_amount,
        sum(case when is_in_base then amount else 0 end) as owed_amount
    from debts
    where
        organization_id = $organization_id
        and currency = $currency
        and (status = 'paid' or is_in_base)
    group by week
    order by week desc
    limit {_WEEKS}
)

select week, paid_amount, owed_amount
from weeks
order by week
"""  # noqa: S608 (a number of ours)


_EXCEPTIONS = f"""
select
    exceptions.code, exceptions.description, exceptions.opened_on, exceptions.payment_id,
    debts.debt_id, exceptions.product_id, exceptions.payment_amount, exceptions.currency,
    count(*) over () as open_count
from payment_exceptions as exceptions
left join debts on exceptions.debt_id = debts.debt_id
where exceptions.organization_id = $organization_id and exceptions.is_open
order by exceptions.opened_at, exceptions.exception_id
limit {MOST_EXCEPTIONS}
"""  # noqa: S608 (a number of ours)


@dataclass(frozen=True)
class ListedOrganization:
    """An organization in the list, with its base and its newest day."""

    organization_id: str
    name: str
    currency: str
    debt_count: int
    amount: Decimal
    business_date: date | None
    status: str | None
    held_count: int


@dataclass(frozen=True)
class Contract:
    """What was agreed with an organization, defaults filled in."""

    organization_id: str
    name: str
    country: str
    customer_id_scheme: str
    update_mode: str
    payment_flow: str
    currency: str
    time_zone: str
    cutoff_time: str
    invoices_pattern: str
    payments_pattern: str
    delimiter: str
    decimal_separator: str
    date_format: str
    max_withdrawal_share: Decimal
    max_rejected_share: Decimal


@dataclass(frozen=True)
class Look:
    """The newest look at an organization's server."""

    business_date: date
    status: str
    file_id: str | None
    is_inbox_read: bool
    inbox_code: str | None
    inbox_message: str | None
    looked_at: datetime


@dataclass(frozen=True)
class Part:
    """Debts of one status or age; the amount is of the organization's own currency."""

    key: str | int
    debt_count: int
    amount: Decimal


@dataclass(frozen=True)
class Balance:
    """How base and money moved in a day."""

    business_date: date
    opening_count: int
    new_count: int
    returned_count: int
    paid_count: int
    withdrawn_count: int
    void_count: int
    closing_count: int
    opening_amount: Decimal
    new_amount: Decimal
    returned_amount: Decimal
    changed_amount: Decimal
    paid_amount: Decimal
    withdrawn_amount: Decimal
    void_amount: Decimal
    closing_amount: Decimal
    received_amount: Decimal
    published_amount: Decimal
    closing_held_amount: Decimal


@dataclass(frozen=True)
class Paid:
    """What was told as authorized of a day and channel."""

    paid_on: date
    channel: str
    payment_count: int
    amount: Decimal


@dataclass(frozen=True)
class InProcess:
    """The payments in process of a channel, beside what the channel normally takes."""

    channel: str
    payment_count: int
    amount: Decimal
    currency: str
    oldest_business_days: int
    normal_business_days: int | None
    too_long_count: int


@dataclass(frozen=True)
class Week:
    """The debts that were due in a week: what was paid of them, and what is owed."""

    week: date
    paid_amount: Decimal
    owed_amount: Decimal


@dataclass(frozen=True)
class OpenException:
    """A mismatch that lasts; without `debt_id` its debt is unknown. `open_count` is how many do."""

    code: str
    description: str
    opened_on: date
    payment_id: str | None
    debt_id: str | None
    product_id: str | None
    amount: Decimal | None
    currency: str | None
    open_count: int


@dataclass(frozen=True)
class Pictures:
    """All that is drawn of an organization, in its own currency."""

    statuses: list[Part]
    ageing: list[Part]
    balances: list[Balance]
    paid: list[Paid]
    in_process: list[InProcess]
    weeks: list[Week]
    other_currency_count: int


def list_organizations(reader: Reader) -> list[ListedOrganization]:
    """Every organization that has a contract."""
    return reader.rows(ListedOrganization, _LISTED)


def read_contract(reader: Reader, organization_id: str) -> Contract | None:
    """The contract of an organization; None if it has none."""
    return reader.row(Contract, _CONTRACT, organization_id=organization_id)


def read_look(reader: Reader, organization_id: str) -> Look | None:
    """The newest look at its server; None before the first."""
    return reader.row(Look, _LOOK, organization_id=organization_id)


def list_exceptions(reader: Reader, organization_id: str) -> list[OpenException]:
    """The open exceptions of an organization, the oldest MOST_EXCEPTIONS of them."""
    return reader.rows(OpenException, _EXCEPTIONS, organization_id=organization_id)


def read_pictures(reader: Reader, contract: Contract) -> Pictures:
    """The numbers behind an organization's charts."""
    asked = {"organization_id": contract.organization_id, "currency": contract.currency}
    (other_count,) = reader.connection.execute(_OTHER_CURRENCIES, asked).fetchone() or (0,)
    return Pictures(
        statuses=reader.rows(Part, _STATUSES, **asked),
        ageing=reader.rows(Part, _AGEING, **asked),
        balances=reader.rows(Balance, _BALANCES, **asked),
        paid=reader.rows(Paid, _PAID, **asked),
        in_process=reader.rows(InProcess, _IN_PROCESS, organization_id=contract.organization_id),
        weeks=reader.rows(Week, _RECOVERY, **asked),
        other_currency_count=other_count,
    )
