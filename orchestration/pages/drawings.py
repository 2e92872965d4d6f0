"""What the pages and the report of a day draw: the numbers of queries as charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from orchestration.pages.charts import Chart, Number, Series, draw_columns, draw_rows
from orchestration.pages.languages import marked as _
from orchestration.pages.queries import days
from orchestration.pages.queries.pictures import Base, InProcess, Paid, Part, Pictures, Week
from orchestration.pages.writing import Writing

_COLORS = 6
_AGES = (
    _("not due yet"),
    _("1 to 30 days overdue"),
    _("31 to 60 days overdue"),
    _("61 to 90 days overdue"),
    _("more than 90 days overdue"),
)
_AGE_COLORS = (3, 1, 5, 2, 4)


@dataclass(frozen=True)
class Drawings:
    """The charts of an organization."""

    base: Chart
    ageing: Chart
    paid: Chart
    in_process: Chart
    weeks: Chart


def draw_organization(writing: Writing, pictures: Pictures) -> Drawings:
    """Draw the pictures of an organization.

    Args:
        writing: how numbers and words are written.
        pictures: the numbers.

    """
    return Drawings(
        base=draw_bases(writing, pictures.bases),
        ageing=draw_ageing(writing, pictures.ageing),
        paid=draw_paid(writing, pictures.paid),
        in_process=draw_in_process(writing, pictures.in_process or ()),
        weeks=draw_weeks(writing, pictures.weeks),
    )


def draw_all_bases(writing: Writing, bases: Sequence[days.Base]) -> Chart:
    """The base of all organizations together, which is counted in debts: currencies do not add."""
    dates = sorted({base.business_date for base in bases})
    pending = dict.fromkeys(dates, 0)
    in_process = dict.fromkeys(dates, 0)
    for base in bases:
        pending[base.business_date] += base.pending_count
        in_process[base.business_date] += base.in_process_count
    return draw_columns(
        [day.isoformat() for day in dates],
        [
            Series(writing.said(_("pending")), 1, list(pending.values())),
            Series(writing.said(_("in process")), 2, list(in_process.values())),
        ],
        writing.count,
    )


def draw_bases(writing: Writing, bases: Sequence[Base]) -> Chart:
    """How many debts were in the base when each day ended, by status."""
    return draw_columns(
        [each.business_date.isoformat() for each in bases],
        [
            Series(writing.said(_("pending")), 1, [each.pending_count for each in bases]),
            Series(writing.said(_("in process")), 2, [each.in_process_count for each in bases]),
        ],
        writing.count,
    )


def draw_ageing(writing: Writing, parts: Sequence[Part]) -> Chart:
    """What is owed, by how long it has been due."""
    amounts = {each.key: each.amount for each in parts}
    return draw_rows(
        [writing.said(age) for age in _AGES],
        Series(
            writing.said(_("Amount")),
            1,
            [amounts.get(bucket, Decimal()) for bucket in range(len(_AGES))],
        ),
        writing.count,
        colors=_AGE_COLORS,
    )


def draw_paid(writing: Writing, paid: Sequence[Paid]) -> Chart:
    """What was paid, by channel and day."""
    days = sorted({each.paid_on for each in paid})
    channels = sorted({each.channel for each in paid})
    amounts = {(each.paid_on, each.channel): each.amount for each in paid}
    return draw_columns(
        [day.isoformat() for day in days],
        [
            Series(
                channel or writing.said(_("no channel")),
                place % _COLORS + 1,
                [amounts.get((day, channel), Decimal()) for day in days],
            )
            for place, channel in enumerate(channels)
        ],
        writing.count,
    )


def draw_in_process(writing: Writing, waiting: Sequence[InProcess]) -> Chart:
    """How old the oldest payment in process of each channel is; too old in another color."""
    values: list[Number] = [each.oldest_business_days for each in waiting]
    return draw_rows(
        [each.channel for each in waiting],
        Series(writing.said(_("Business days of the oldest")), 1, values),
        writing.count,
        colors=[4 if each.too_long_count else 1 for each in waiting],
    )


def draw_weeks(writing: Writing, weeks: Sequence[Week]) -> Chart:
    """What was paid of the debts due in each week, and what is owed of them."""
    return draw_columns(
        [each.week.isoformat() for each in weeks],
        [
            Series(writing.said(_("Paid")), 3, [each.paid_amount for each in weeks]),
            Series(writing.said(_("Owed")), 2, [each.owed_amount for each in weeks]),
        ],
        writing.count,
    )
