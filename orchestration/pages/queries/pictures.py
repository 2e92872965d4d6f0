"""The numbers behind the charts of an organization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from orchestration.pages.published import Reader
from orchestration.pages.queries.organizations import Contract

_DAYS = 30
_WEEKS = 12

_BASES = f"""
with newest as (
    select business_date, pending_count, in_process_count
    from organization_days
    where organization_id = $organization_id
    order by business_date desc
    limit {_DAYS}
)

select business_date, pending_count, in_process_count
from newest
order by business_date
"""  # noqa: S608 (a number of ours)

# The debts of an organization are read once; what follows reads what was counted of them.
_COUNTED = """
create temp table counted as
select
    status,
    is_in_base,
    currency,
    due_date,
    count(*) as debt_count,
    sum(amount) as amount
from debts
where organization_id = $organization_id
group by status, is_in_base, currency, due_date
"""

_STATUSES = """
select status, cast(sum(debt_count) as bigint), sum(amount)
from counted
where currency = $currency
group by status
order by list_position(['pending', 'in_process', 'paid', 'withdrawn', 'void'], status)
"""

_OTHER_CURRENCIES = """
select cast(coalesce(sum(debt_count), 0) as bigint)
from counted
where currency <> $currency and is_in_base
"""

_AGEING = """
with asked as (
    select coalesce(max(business_date), current_date) as aged_on
    from intake_days
    where organization_id = $organization_id
),

aged as (
    select
        counted.debt_count,
        counted.amount,
        asked.aged_on - counted.due_date as days
    from counted
    cross join asked
    where counted.currency = $currency and counted.is_in_base
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
    from counted
    where currency = $currency and (status = 'paid' or is_in_base)
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
    """All that is drawn of an organization, in its own currency."""

    bases: list[Base]
    statuses: list[Part]
    ageing: list[Part]
    balances: list[Balance]
    paid: list[Paid]
    in_process: list[InProcess]
    weeks: list[Week]
    other_currency_count: int


def read_pictures(reader: Reader, contract: Contract) -> Pictures:
    """The numbers behind an organization's charts."""
    organization = {"organization_id": contract.organization_id}
    currency = {"currency": contract.currency}
    asked = {**organization, **currency}
    reader.connection.execute(_COUNTED, organization)
    (other_count,) = reader.connection.execute(_OTHER_CURRENCIES, currency).fetchone() or (0,)
    return Pictures(
        bases=reader.rows(Base, _BASES, **organization),
        statuses=reader.rows(Part, _STATUSES, **currency),
        ageing=reader.rows(Part, _AGEING, **asked),
        balances=reader.rows(Balance, _BALANCES, **asked),
        paid=reader.rows(Paid, _PAID, **asked),
        in_process=reader.rows(InProcess, _IN_PROCESS, **organization),
        weeks=reader.rows(Week, _RECOVERY, **currency),
        other_currency_count=other_count,
    )
