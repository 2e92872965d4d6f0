"""The benchmark's own data: debts files of any day, made by arithmetic, in a shuffled order.

On day `d` a file holds the debts numbered `shift * d` to `shift * d + size`, so each day `shift`
debts are new and as many are gone; 2 % of the others have another amount than the day before.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb

# A business date must not lie ahead, the last one of a year of the bench neither.
FIRST_DATE = date(2025, 3, 3)
HEADER = ("customer_id", "product_id", "due_date", "amount", "name", "mail", "plan")
KEY = HEADER[:3]

_DEBTS = """
with numbered as (
    select
        range as debt,
        range // 3 as customer,
        5000000 + range // 3 as rut
    from range({first}, {first} + {size})
),

checked as (
    select
        *,
        substring('0K987654321', 1 + (
            2 * (rut % 10) + 3 * (rut // 10 % 10) + 4 * (rut // 100 % 10)
            + 5 * (rut // 1000 % 10) + 6 * (rut // 10000 % 10) + 7 * (rut // 100000 % 10)
            + 2 * (rut // 1000000 % 10) + 3 * (rut // 10000000 % 10)
        ) % 11, 1) as check_digit
    from numbered
)

select
    rut || '-' || check_digit as customer_id,
    'contract-' || debt % 3 || '-' || debt as product_id,
    date '2025-01-01' + cast(debt % 360 as integer) as due_date,
    1000 + debt * 7919 % 900000 + (debt + {day}) // 50 as amount,
    'Customer ' || customer as name,
    'customer' || customer || '@example.com' as mail,
    ['basic', 'family', 'business'][1 + debt % 3] as plan
from checked
order by hash(debt)
"""

_EVENTS = """
select
    'event-{organization_id}-' || {day} || '-' || debts.product_id as event_id,
    '{date}T12:00:00Z' as occurred_at,
    '{organization_id}' as organization_id,
    'payment-' || {day} || '-' || debts.product_id as payment_id,
    debts.customer_id,
    debts.product_id,
    cast(debts.due_date as varchar) as due_date,
    cast(debts.amount as varchar) as amount,
    'CLP' as currency,
    'webpay' as channel,
    'authorized' as status
from ({debts}) as debts
order by 1
"""


def business_date(day: int) -> date:
    """The business date of day 1, 2, 3, ..."""
    return FIRST_DATE + timedelta(days=day - 1)


def file_name(day: int) -> str:
    """The name that the default contract gives to a day's debts file."""
    return f"{business_date(day)}_toku_invoices.csv"


def write_day(
    inboxes: Path, events: Path, organization_ids: list[str], *, size: int, day: int, shift: int
) -> None:
    """Write a day's debts file of each organization, and payments of one debt in a thousand.

    Args:
        inboxes: the folder of the organizations' folders.
        events: the file of payment events.
        organization_ids: no two have a debt in common.
        size: debts in each file.
        day: 1, 2, 3, ...
        shift: how many debts are new each day, and as many gone.

    """
    lines = []
    for place, organization_id in enumerate(organization_ids):
        first = place * size * 2 + shift * day
        debts = _DEBTS.format(first=first, size=size, day=day)
        path = inboxes / organization_id / "inbox" / file_name(day)
        duckdb.execute(f"copy ({debts}) to '{path}' (header, delimiter ',')")
        # Of those that the next file does not list.
        paid = _DEBTS.format(first=first, size=max(1, size // 1000), day=day)
        lines.append(
            _EVENTS.format(
                debts=paid, day=day, date=business_date(day), organization_id=organization_id
            )
        )
    with events.open("wb") as target:
        for line in lines:
            part = events.with_suffix(".part")
            duckdb.execute(f"copy ({line}) to '{part}' (format json)")
            target.write(part.read_bytes())
            part.unlink()


if __name__ == "__main__":
    an_inboxes, an_events, *numbers, names = sys.argv[1:]
    a_size, a_day, a_shift = map(int, numbers)
    write_day(
        Path(an_inboxes), Path(an_events), names.split(","), size=a_size, day=a_day, shift=a_shift
    )
