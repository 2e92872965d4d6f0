"""The numbers behind the charts of an organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader
from orchestration.pages.queries.organizations import Contract

_DAYS = 30
_WEEKS = 12

_BASES = f"""
with newest as (
    select business_date, pending_count, in_process_count
    from organization_days
    where organization_id = $organization_id and business_date <= $business_date
    order by business_date desc
    limit {_DAYS}
)

select business_date, pending_count, in_process_count
from newest
order by business_date
"""  # noqa: S608 (a number of ours)

# The debts are read once; what follows reads what was counted of them.
_COUNTED = """
create temp table counted as
select
    organization_id,
    status,
    is_in_base,
    currency,
    due_date,
    count(*) as debt_count,
    sum(amount) as amount
from {debts}
group by organization_id, status, is_in_base, currency, due_date
"""

# How debts stood when a date had ended is how the newest load before a later date left them; a past
# date that was run after later ones ended with its first load, as in organization_days.
_ENDED = """
with own as (
    select min(load_id) as load_id
    from loads
    where business_date = $business_date
),

later as (
    select min(load_id) as load_id
    from loads
    where business_date > $business_date
),

ending as (
    select max(loads.load_id) as load_id
    from loads
    cross join own
    cross join later
    where
        loads.load_id < later.load_id
        or (loads.load_id = own.load_id and later.load_id < own.load_id)
)

select loads.loaded_at
from loads
inner join ending on loads.load_id = ending.load_id
"""

_STATUSES = """
select status, cast(sum(debt_count) as bigint), sum(amount)
from counted
where organization_id = $organization_id and currency = $currency
group by status
order by list_position(['pending', 'in_process', 'paid', 'withdrawn', 'void'], status)
"""

_OTHER_CURRENCIES = """
select cast(coalesce(sum(debt_count), 0) as bigint)
from counted
where organization_id = $organization_id and currency <> $currency and is_in_base
"""

_AGEING = """
with asked as (
    select coalesce(max(business_date), current_date) as aged_on
    from intake_days
    where organization_id = $organization_id and business_date <= $business_date
),

aged as (
    select
        counted.debt_count,
        counted.amount,
        asked.aged_on - counted.due_date as days
    from counted
    cross join asked
    where
        counted.organization_id = $organization_id
        and counted.currency = $currency
        and counted.is_in_base
)

select
    case
        when days <= 0 then 0 when days <= 30 then 1 when days <= 60 then 2
        when days <= 90 then 3 else 4
    end as bucket,
    cast(sum(debt_count) as bigint),
    sum(amount)
from aged
group by bucket
order by bucket
"""

_BALANCES = f"""
with newest as (
    select *
    from daily_balance
    where
        organization_id = $organization_id
        and currency = $currency
        and business_date <= $business_date
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
        and business_date <= $business_date
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
    from counted
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


@dataclass(frozen=True)
class Part:
    """Debts of one status or age; the amount is of the organization's own currency."""

    key: str | int
    debt_count: int
    amount: Decimal


@dataclass(frozen=True)
class Base:
    """The debts that were in the base when a date ended."""

    business_date: date
    pending_count: int
    in_process_count: int


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
class Pictures:
    """All that is drawn of an organization, in its own currency.

    What is in process is known as it is now: it is None for a past date.
    """

    bases: list[Base]
    statuses: list[Part]
    ageing: list[Part]
    balances: list[Balance]
    paid: list[Paid]
    in_process: list[InProcess] | None
    weeks: list[Week]
    other_currency_count: int


def read_pictures(reader: Reader, contract: Contract) -> Pictures:
    """The numbers behind an organization's charts, as they are now."""
    organization = {"organization_id": contract.organization_id}
    reader.connection.execute(
        _COUNTED.format(debts="debts where organization_id = $organization_id"), organization
    )
    return read_counted(reader, contract, date.max)


def count_all_debts(reader: Reader, business_date: date) -> bool:
    """Count the debts of all organizations as they stood when a date had ended.

    Returns:
        Whether they stand so now.

    """
    ended_at = _read_end(reader, business_date)
    if ended_at is None:
        reader.connection.execute(_COUNTED.format(debts="debts"))
    else:
        reader.connection.execute(
            _COUNTED.format(debts="debts_as_of($ended_at)"), {"ended_at": ended_at}
        )
    return ended_at is None


def read_counted(
    reader: Reader, contract: Contract, business_date: date, *, is_now: bool = True
) -> Pictures:
    """The numbers behind an organization's charts, once the debts have been counted.

    Args:
        reader: the published copy, in which its debts have been counted.
        contract: of the organization.
        business_date: the last date that is shown.
        is_now: whether nothing has happened after that date.

    """
    organization = {"organization_id": contract.organization_id}
    dated = {**organization, "business_date": business_date}
    owed = {**organization, "currency": contract.currency}
    asked = {**owed, "business_date": business_date}
    return Pictures(
        bases=reader.rows(Base, _BASES, **dated),
        statuses=reader.rows(Part, _STATUSES, **owed),
        ageing=reader.rows(Part, _AGEING, **asked),
        balances=reader.rows(Balance, _BALANCES, **asked),
        paid=reader.rows(Paid, _PAID, **asked),
        in_process=reader.rows(InProcess, _IN_PROCESS, **organization) if is_now else None,
        weeks=reader.rows(Week, _RECOVERY, **owed),
        other_currency_count=reader.row(int, _OTHER_CURRENCIES, **owed) or 0,
    )


def _read_end(reader: Reader, business_date: date) -> datetime | None:
    """The instant of the load that ended a date (UTC); None if no later date has begun."""
    found = reader.connection.execute(_ENDED, {"business_date": business_date}).fetchone()
    return found[0] if found else None
