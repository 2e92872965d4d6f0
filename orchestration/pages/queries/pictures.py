"""The numbers behind the charts of an organization."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader, Row
from orchestration.pages.queries.organizations import OWN_CURRENCIES

_DAYS = 30
_WEEKS = 12

_SHOWN = f"""
create temp table shown as
from ({OWN_CURRENCIES})
where list_contains($organization_ids, organization_id)
"""

_BASES = f"""
select days.organization_id, days.business_date, days.pending_count, days.in_process_count
from organization_days as days
inner join shown on days.organization_id = shown.organization_id
where days.business_date <= $business_date
qualify row_number() over (
    partition by days.organization_id order by days.business_date desc
) <= {_DAYS}
order by days.business_date
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
where organization_id in ({organizations})
group by organization_id, status, is_in_base, currency, due_date
"""

_OWN = """
create temp view own as
select counted.*
from counted
inner join shown
    on counted.organization_id = shown.organization_id and counted.currency = shown.currency
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
select organization_id, status, cast(sum(debt_count) as bigint), sum(amount)
from own
group by organization_id, status
order by list_position(['pending', 'in_process', 'paid', 'withdrawn', 'void'], status)
"""

_OTHER_CURRENCIES = """
select counted.organization_id, cast(sum(counted.debt_count) as bigint)
from counted
inner join shown on counted.organization_id = shown.organization_id
where counted.currency <> shown.currency and counted.is_in_base
group by counted.organization_id
"""

# The newest date up to the one asked for on which an inbox was looked into.
_ASKED = """
with asked as (
    select organization_id, max(business_date) as looked_on
    from intake_days
    where business_date <= $business_date
    group by organization_id
)
"""

_AGEING = f"""
{_ASKED},

aged as (
    select
        own.organization_id,
        own.debt_count,
        own.amount,
        coalesce(asked.looked_on, current_date) - own.due_date as days
    from own
    left join asked on own.organization_id = asked.organization_id
    where own.is_in_base
)

select
    organization_id,
    case
        when days <= 0 then 0 when days <= 30 then 1 when days <= 60 then 2
        when days <= 90 then 3 else 4
    end as bucket,
    cast(sum(debt_count) as bigint),
    sum(amount)
from aged
group by organization_id, bucket
order by bucket
"""  # noqa: S608 (text of ours)

_BALANCES = f"""
select
    days.organization_id, days.business_date, days.opening_count, days.new_count,
    days.returned_count, days.paid_count, days.withdrawn_count, days.void_count,
    days.closing_count, days.closing_amount, days.received_amount, days.published_amount,
    days.closing_held_amount
from daily_balance as days
inner join shown
    on days.organization_id = shown.organization_id and days.currency = shown.currency
where days.business_date <= $business_date
qualify row_number() over (
    partition by days.organization_id order by days.business_date desc
) <= {_DAYS}
order by days.business_date
"""  # noqa: S608 (a number of ours)

_PAID = f"""
select
    lines.organization_id, lines.paid_on, coalesce(lines.channel, ''), count(*), sum(lines.amount)
from payments_file_lines as lines
inner join shown
    on lines.organization_id = shown.organization_id and lines.currency = shown.currency
where lines.business_date <= $business_date and lines.status = 'autorizado'
group by lines.organization_id, lines.paid_on, lines.channel
qualify dense_rank() over (
    partition by lines.organization_id order by lines.paid_on desc
) <= {_DAYS}
order by lines.paid_on, lines.channel
"""  # noqa: S608 (a number of ours)

_IN_PROCESS = """
select
    ageing.organization_id, coalesce(ageing.channel_label, ''), ageing.payment_count,
    ageing.amount, ageing.currency, ageing.oldest_business_days, ageing.normal_business_days,
    ageing.too_long_count
from payments_in_process_ageing as ageing
inner join shown on ageing.organization_id = shown.organization_id
order by ageing.too_long_count desc, ageing.channel_label, ageing.currency
"""

_RECOVERY = f"""
{_ASKED}

select
    own.organization_id,
    cast(date_trunc('week', own.due_date) as date) as week,
    sum(case when own.status = 'paid' then own.amount else 0 end),
    sum(case when own.is_in_base then own.amount else 0 end)
from own
left join asked on own.organization_id = asked.organization_id
where
    (own.status = 'paid' or own.is_in_base)
    and week <= coalesce(asked.looked_on, current_date)
    and week > coalesce(asked.looked_on, current_date) - {7 * _WEEKS}
group by own.organization_id, week
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
    """All that is drawn of an organization, in the currency of its debts.

    What is in process is known as it is now: it is None for a past date.
    """

    currency: str
    bases: list[Base]
    statuses: list[Part]
    ageing: list[Part]
    balances: list[Balance]
    paid: list[Paid]
    in_process: list[InProcess] | None
    weeks: list[Week]
    other_currency_count: int


def read_pictures(
    reader: Reader, organization_ids: Collection[str], business_date: date = date.max
) -> dict[str, Pictures]:
    """The numbers behind the charts of organizations, by their ids.

    Args:
        reader: the published copy, just opened.
        organization_ids: whose, at least one; each has a contract.
        business_date: the last date that is shown; the debts are those of when it had ended.

    """
    reader.connection.execute(_SHOWN, {"organization_ids": list(organization_ids)})
    ended_at = _read_end(reader, business_date)
    counted = _COUNTED.format(
        debts="debts" if ended_at is None else "debts_as_of(?)",
        organizations=", ".join("?" for _ in organization_ids),
    )
    asked = [] if ended_at is None else [ended_at]
    reader.connection.execute(counted, [*asked, *organization_ids])
    reader.connection.execute(_OWN)

    def ask(kind: type[Row], sql: str, **parameters: date) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = {each: [] for each in organization_ids}
        for organization_id, *values in reader.connection.execute(sql, parameters).fetchall():
            rows[organization_id].append(kind(*values))
        return rows

    bases = ask(Base, _BASES, business_date=business_date)
    statuses = ask(Part, _STATUSES)
    ageing = ask(Part, _AGEING, business_date=business_date)
    balances = ask(Balance, _BALANCES, business_date=business_date)
    paid = ask(Paid, _PAID, business_date=business_date)
    in_process = ask(InProcess, _IN_PROCESS) if ended_at is None else None
    weeks = ask(Week, _RECOVERY, business_date=business_date)
    others = ask(int, _OTHER_CURRENCIES)
    currencies = ask(str, "from shown")
    return {
        each: Pictures(
            currency=currencies[each][0],
            bases=bases[each],
            statuses=statuses[each],
            ageing=ageing[each],
            balances=balances[each],
            paid=paid[each],
            in_process=None if in_process is None else in_process[each],
            weeks=weeks[each],
            other_currency_count=sum(others[each]),
        )
        for each in organization_ids
    }


def _read_end(reader: Reader, business_date: date) -> datetime | None:
    """The instant of the load that ended a date (UTC); None if no later date has begun."""
    found = reader.connection.execute(_ENDED, {"business_date": business_date}).fetchone()
    return found[0] if found else None
