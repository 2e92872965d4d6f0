"""The day of every organization, and how the base came to be what it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader

_DAYS = 30

_DATES = """
select
    max(business_date) as newest,
    max(case when business_date < $business_date then business_date end) as former,
    min(case when business_date > $business_date then business_date end) as following
from organization_days
"""

_LISTED = """
with held as (
    select organization_id, count(*) as file_count, min_by(file_id, received_at) as oldest_file_id
    from intake_files
    where status = 'held' and business_date <= $business_date
    group by organization_id
),

sent as (
    select
        organization_id,
        count(case when is_undelivered and not is_left_to_people then 1 end) as undelivered_count,
        count(case when is_left_to_people then 1 end) as left_to_people_count,
        min(case when is_left_to_people then business_date end) as left_to_people_on
    from deliveries
    where business_date <= $business_date
    group by organization_id
),

-- What is open stays open on a date for which an inbox has not been looked into.
latest as (
    select organization_id, overdue_payment_count, open_exception_count, oldest_exception_at
    from organization_days
    where business_date <= $business_date
    qualify row_number() over (partition by organization_id order by business_date desc) = 1
),

-- Came on this date or is of it, and is not its debts file. A later file of its name settles it.
refused as (
    select
        files.organization_id,
        count(*) as file_count,
        min_by(files.file_id, files.load_id) as file_id,
        min_by(files.code, files.load_id) as code
    from intake_files as files
    left join organization_days as days
        on
            files.organization_id = days.organization_id
            and days.business_date = $business_date
    left join intake_files as later
        on
            files.organization_id = later.organization_id
            and files.kind = later.kind
            and lower(files.file_name) = lower(later.file_name)
            and later.load_id > files.load_id
            and later.status <> 'duplicate'
    where
        files.status = 'refused'
        and files.code <> 'refused_by_operator'
        and $business_date in (files.loaded_on, files.business_date)
        and files.file_id is distinct from days.file_id
        and later.file_id is null
    group by files.organization_id
)

select
    organizations.organization_id,
    organizations.name,
    days.status,
    days.file_id,
    days.code,
    coalesce(refused.file_count, 0),
    refused.file_id,
    refused.code,
    coalesce(days.is_near_miss, false),
    days.inbox_code,
    days.inbox_message,
    coalesce(held.file_count, 0),
    held.oldest_file_id,
    coalesce(sent.undelivered_count, 0),
    coalesce(sent.left_to_people_count, 0),
    sent.left_to_people_on,
    coalesce(latest.overdue_payment_count, 0),
    coalesce(latest.open_exception_count, 0),
    latest.oldest_exception_at,
    days.record_count,
    days.rejected_count,
    days.pending_count,
    days.in_process_count,
    days.base_amount,
    days.currency,
    days.told_line_count,
    days.looked_at,
    organizations.cutoff_time,
    organizations.time_zone
from organizations
left join organization_days as days
    on
        organizations.organization_id = days.organization_id
        and days.business_date = $business_date
left join held on organizations.organization_id = held.organization_id
left join latest on organizations.organization_id = latest.organization_id
left join sent on organizations.organization_id = sent.organization_id
left join refused on organizations.organization_id = refused.organization_id
order by organizations.name, organizations.organization_id
"""

# A date on which nobody looked into an inbox leaves its base as it was.
_BASES = f"""
with dates as (
    select distinct business_date
    from organization_days
    where business_date <= $business_date
    order by business_date desc
    limit {_DAYS}
),

organizations_looked as (
    select distinct organization_id
    from organization_days
)

select
    dates.business_date,
    organizations_looked.organization_id,
    days.pending_count,
    days.in_process_count
from dates
cross join organizations_looked
asof inner join organization_days as days
    on
        organizations_looked.organization_id = days.organization_id
        and dates.business_date >= days.business_date
order by dates.business_date, organizations_looked.organization_id
"""  # noqa: S608 (a number of ours)

# One that each run of the date reports is one.
_REFUSED_EVENT_LINES = """
select count(*)
from (
    select distinct source_file, line_number, code
    from refused_event_lines
    where loaded_on = $business_date
) as refused
"""

# A payment may have several; each run tells it once, too.
_PAYMENTS_WITHOUT_CONTRACT = """
select count(*)
from (
    select distinct organization_id, payment_id
    from payment_exceptions
    where code = 'unknown_organization' and is_open and opened_on <= $business_date
) as unclaimed
"""

_UNKNOWN_STATUSES = """
select count(*)
from unknown_statuses
where first_loaded_on <= $business_date
"""


@dataclass(frozen=True)
class Dates:
    """The newest date of all, and those before and after one; None where there is none."""

    newest: date | None
    former: date | None
    following: date | None


@dataclass(frozen=True)
class Day:
    """The day of an organization; without a status its inbox was not looked into.

    What is held, not delivered or left to people is of all dates up to this one: it waits until
    somebody does something. Exceptions and payments that take too long are those of the newest date
    up to this one on which its inbox was looked into. `left_to_people_on` is the oldest date of a
    file that its receiver may have or not (R24). What is refused beside the debts file is of this
    date or came on it; of several files, the id and the code are those of the first.
    """

    organization_id: str
    name: str
    status: str | None
    file_id: str | None
    code: str | None
    other_refused_count: int
    other_refused_file_id: str | None
    other_refused_code: str | None
    is_near_miss: bool
    inbox_code: str | None
    inbox_message: str | None
    held_count: int
    oldest_held_file_id: str | None
    undelivered_count: int
    left_to_people_count: int
    left_to_people_on: date | None
    overdue_payment_count: int
    open_exception_count: int
    oldest_exception_at: datetime | None
    record_count: int | None
    rejected_count: int | None
    pending_count: int | None
    in_process_count: int | None
    base_amount: Decimal | None
    currency: str | None
    told_line_count: int | None
    looked_at: datetime | None
    cutoff_time: str
    time_zone: str


@dataclass(frozen=True)
class Base:
    """The debts of an organization that were in the base when a date ended."""

    business_date: date
    organization_id: str
    pending_count: int
    in_process_count: int


def read_dates(reader: Reader, business_date: date | None) -> Dates:
    """The dates around one; around the newest if none is asked for."""
    (dates,) = reader.rows(Dates, _DATES, business_date=business_date)
    if business_date is None and dates.newest is not None:
        return read_dates(reader, dates.newest)
    return dates


def list_days(reader: Reader, business_date: date) -> list[Day]:
    """The day of each organization that has a contract."""
    return reader.rows(Day, _LISTED, business_date=business_date)


def count_refused_event_lines(reader: Reader, business_date: date) -> int:
    """How many lines and files of events the loads of a date could not read (R20)."""
    return reader.row(int, _REFUSED_EVENT_LINES, business_date=business_date) or 0


def count_payments_without_contract(reader: Reader, business_date: date) -> int:
    """How many payments up to a date are still of organizations without a contract (R25)."""
    return reader.row(int, _PAYMENTS_WITHOUT_CONTRACT, business_date=business_date) or 0


def count_unknown_statuses(reader: Reader, business_date: date) -> int:
    """How many statuses of events that came up to a date no seed lists (R21)."""
    return reader.row(int, _UNKNOWN_STATUSES, business_date=business_date) or 0


def read_bases(reader: Reader, business_date: date) -> list[Base]:
    """The base of each organization at the end of each of the last dates, in order."""
    return reader.rows(Base, _BASES, business_date=business_date)
