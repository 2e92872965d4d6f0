"""The organizations: their contracts, their newest day, and what of them is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orchestration.pages.published import Reader

MOST_EXCEPTIONS = 100

# A contract that changes the currency holds the next file (R11). Until one is applied, the debts
# are in that of the file before.
OWN_CURRENCIES = """
select
    organizations.organization_id,
    coalesce(applied.currency, organizations.currency) as currency
from organizations
left join (
    select organization_id, arg_max(currency, load_id) as currency
    from intake_files
    where kind = 'invoices' and status = 'applied'
    group by organization_id
) as applied
    on organizations.organization_id = applied.organization_id
"""

_LISTED = f"""
with own as ({OWN_CURRENCIES}),

bases as (
    select
        debts.organization_id,
        count(*) as debt_count,
        sum(case when debts.currency = own.currency then debts.amount end) as amount
    from debts
    inner join own on debts.organization_id = own.organization_id
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
    own.currency,
    coalesce(bases.debt_count, 0),
    case when bases.debt_count > 0 then bases.amount else 0 end,
    days.business_date,
    days.status,
    coalesce(waiting.held_count, 0)
from organizations
inner join own on organizations.organization_id = own.organization_id
left join bases on organizations.organization_id = bases.organization_id
left join days on organizations.organization_id = days.organization_id
left join waiting on organizations.organization_id = waiting.organization_id
order by organizations.name, organizations.organization_id
"""  # noqa: S608 (text of ours)

_CONTRACTS = """
select
    organization_id, name, customer_id_scheme, update_mode, payment_flow, currency,
    time_zone, cutoff_time, invoices_pattern, payments_pattern, delimiter, decimal_separator,
    date_format, max_withdrawal_share, max_rejected_share
from organizations
"""

_LOOK = """
select business_date, status, file_id, is_inbox_read, inbox_code, inbox_message, looked_at
from intake_days
where organization_id = $organization_id
order by business_date desc
limit 1
"""

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
    """An organization in the list, with its base and its newest day; amounts in its currency."""

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


def list_organizations(reader: Reader) -> list[ListedOrganization]:
    """Every organization that has a contract."""
    return reader.rows(ListedOrganization, _LISTED)


def read_contracts(reader: Reader) -> dict[str, Contract]:
    """The contract of each organization that has one, by its id."""
    return {each.organization_id: each for each in reader.rows(Contract, _CONTRACTS)}


def read_look(reader: Reader, organization_id: str) -> Look | None:
    """The newest look at its server; None before the first."""
    return reader.row(Look, _LOOK, organization_id=organization_id)


def list_exceptions(reader: Reader, organization_id: str) -> list[OpenException]:
    """The open exceptions of an organization, the oldest MOST_EXCEPTIONS of them."""
    return reader.rows(OpenException, _EXCEPTIONS, organization_id=organization_id)
